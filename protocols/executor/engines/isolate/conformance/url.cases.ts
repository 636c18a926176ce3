/** Cases written from the URL and URL Pattern Standards. */
import type { Cases } from './program.ts'

export const cases: Cases = {
  URL: {
    'its parts': `
      const url = new URL('HTTP://user:p%40ss@EXAMPLE.org:8080/a/../b;c?q=1#h')
      equal([url.href, url.protocol, url.username, url.password, url.host, url.hostname, url.port, url.pathname, url.search, url.hash, url.origin],
        ['http://user:p%40ss@example.org:8080/b;c?q=1#h', 'http:', 'user', 'p%40ss', 'example.org:8080', 'example.org', '8080', '/b;c', '?q=1', '#h', 'http://example.org:8080'])`,
    'relative to a base': `for (const [input, href] of [['../c', 'http://h/a/c'], ['?x', 'http://h/a/b/?x'], ['#y', 'http://h/a/b/#y'], ['//o/p', 'http://o/p'], ['/', 'http://h/'], ['', 'http://h/a/b/'], ['\\\\\\\\x\\\\y', 'http://x/y'], [' d ', 'http://h/a/b/d'], ['a\\n\\tb', 'http://h/a/b/ab']])
      equal(new URL(input, 'http://h/a/b/').href, href)`,
    hosts: `for (const [host, found] of [['0x7f.1', '127.0.0.1'], ['2130706433', '127.0.0.1'], ['[::1]', '[::1]'], ['[0:0::FFFF:1.2.3.4]', '[::ffff:102:304]'], ['b\\u00fccher.example', 'xn--bcher-kva.example'], ['a%41.b', 'aa.b'], ['x.', 'x.']])
      equal(new URL('http://' + host + '/').hostname, found)`,
    'ports and schemes': `equal([new URL('https://h:443/').port, new URL('https://h:0444/').port, new URL('data:text/plain,x y').pathname, new URL('blob:https://a.b/c').origin, new URL('mailto:a@b').origin], ['', '444', 'text/plain,x y', 'https://a.b', 'null'])`,
    'what is none is a TypeError': `for (const bad of ['', 'x', 'http://', 'http://a b/', 'http://[::1', 'http://h:65536/', 'http://h:x/', '//h', 'http://256.1.1.1/', 'http://a<b']) throws(() => new URL(bad), TypeError); throws(() => new URL('/x', 'mailto:a'), TypeError); throws(() => URL('http://a'), TypeError)`,
    'percent-encoding': `equal(new URL('http://h/é x"<>\`{}?é \\'"<>#é \`').href, 'http://h/%C3%A9%20x%22%3C%3E%60%7B%7D?%C3%A9%20%27%22%3C%3E#%C3%A9%20%60')`,
    setters: `
      const url = new URL('http://h:1/p?q#r'); url.protocol = 'https'; url.host = 'x:2'; url.port = ''; url.pathname = 'a b'; url.search = 'c=d'; url.hash = ''; url.username = 'u@'
      equal(url.href, 'https://u%40@x/a%20b?c=d'); url.port = '99999'; url.protocol = 'foo'; equal(url.href, 'https://u%40@x/a%20b?c=d'); throws(() => { url.href = 'x' }, TypeError)`,
    'searchParams is alive': `const url = new URL('http://h/?a=1'); url.searchParams.append('b', '2 3'); equal(url.search, '?a=1&b=2+3'); url.search = '?c'; equal([...url.searchParams], [['c', '']]); url.searchParams.delete('c'); equal(url.href, 'http://h/'); ok(url.searchParams === url.searchParams)`,
    'canParse, parse and toJSON': `equal([URL.canParse('/x', 'http://h'), URL.canParse('/x'), URL.parse('x'), URL.parse('http://h').href, JSON.stringify(new URL('http://h')), String(new URL('http://h'))], [true, false, null, 'http://h/', '"http://h/"', 'http://h/'])`,
  },
  URLSearchParams: {
    'made from text, pairs, objects and itself': `for (const init of ['a=1&b=2', '?a=1&b=2', [['a', '1'], ['b', '2']], { a: 1, b: 2 }, new URLSearchParams('a=1&b=2'), new Map([['a', '1'], ['b', '2']])]) equal(String(new URLSearchParams(init)), 'a=1&b=2'); throws(() => new URLSearchParams([['a']]), TypeError)`,
    'decoding and encoding': `equal([...new URLSearchParams('a+b=%C3%A9&%=%zz&c&&=d=e')], [['a b', 'é'], ['%', '%zz'], ['c', ''], ['', 'd=e']]); equal(String(new URLSearchParams({ 'a b': "é~*-._!'()" })), "a+b=%C3%A9%7E*-._%21%27%28%29")`,
    'append, set, get, getAll, has, delete, size': `
      const p = new URLSearchParams('a=1&a=2&b=3'); p.set('a', '4'); p.append('c', null); equal([String(p), p.get('x'), p.has('a'), p.has('a', '5'), p.size], ['a=4&b=3&c=null', null, true, false, 3])
      p.append('b', '5'); equal(p.getAll('b'), ['3', '5']); p.delete('b', '3'); equal(p.getAll('b'), ['5']); p.delete('b'); equal([...p.keys()], ['a', 'c'])`,
    'sort is stable and by code units': `const p = new URLSearchParams('z=b&a=b&z=a&a=a&\\ufffc&\\ud83c\\udf08'); p.sort(); equal([...p], [['a', 'b'], ['a', 'a'], ['z', 'b'], ['z', 'a'], ['\\ud83c\\udf08', ''], ['\\ufffc', '']])`,
    iteration: `const p = new URLSearchParams('a=1&b=2'); equal([[...p.entries()], [...p.values()]], [[['a', '1'], ['b', '2']], ['1', '2']]); const seen = []; p.forEach((value, name) => seen.push(name + value)); equal(seen, ['a1', 'b2'])`,
  },
  URLPattern: {
    'groups of a path': `const p = new URLPattern({ pathname: '/a/:id/*' }); equal([p.test('http://x/a/1/b'), p.test('http://x/a/1'), p.exec('http://x/a/7/b/c').pathname.groups], [true, false, { id: '7', 0: 'b/c' }])`,
    'a whole pattern and a base': `ok(new URLPattern('https://*.example.org/x?q=:q').test('https://a.example.org/x?q=1')); ok(new URLPattern('/y', 'https://h').test('https://h/y')); ok(!new URLPattern('/y', 'https://h').test('https://i/y'))`,
    'modifiers and expressions': `const p = new URLPattern({ pathname: '/:year(\\\\d{4}){/:slug}?' }); equal([p.test({ pathname: '/2026' }), p.test({ pathname: '/2026/x' }), p.test({ pathname: '/26' })], [true, true, false]); equal(p.exec({ pathname: '/2026/x' }).pathname.groups, { year: '2026', slug: 'x' })`,
    'its parts': `const p = new URLPattern('https://a.b:1/c#d'); equal([p.protocol, p.hostname, p.port, p.pathname, p.hash], ['https', 'a.b', '1', '/c', 'd']); equal(new URLPattern({}).pathname, '*')`,
    'what is none is a TypeError': `throws(() => new URLPattern('('), TypeError); throws(() => new URLPattern({ pathname: '/:a/:a' }), TypeError); equal(new URLPattern({}).exec('no url'), null)`,
  },
}
