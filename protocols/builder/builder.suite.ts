/** What every builder promises, whether it lives here or on a peer. */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { digestOf } from '#protocols/codec'
import { versionOf } from '#protocols/manifest'
import type { Caller } from '#protocols/invocation'
import type { Builder, Source } from './builder.ts'

export interface BuilderFixture {
  builder: Builder
  caller: Caller
  stop(): Promise<void>
}

const broken = (name: string) => readFileSync(new URL(`../../fixtures/functions/broken/${name}`, import.meta.url), 'utf8')

export function builderSuite(kind: string, create: () => Promise<BuilderFixture>): void {
  describe(`a builder: ${kind}`, () => {
    let fixture: BuilderFixture
    beforeAll(async () => {
      fixture = await create()
    })
    afterAll(() => fixture.stop())
    const build = (files: Source['files'] | string, parts: Partial<Source> = {}) => {
      const all = typeof files === 'string' ? { 'greet.ts': files } : files
      const source: Source = { namespace: 'demo', name: 'greet', files: all, entry: 'greet.ts', ...parts }
      return fixture.builder.build(source, { caller: fixture.caller, timeoutMs: 10_000 })
    }
    const failure = (files: Source['files'] | string, parts: Partial<Source> = {}) =>
      build(files, parts).then(
        () => expect.unreachable(),
        (error: { code: string; message: string; details?: { problems: unknown[] } }) => error,
      )

    test('one TypeScript file becomes one module and the manifest that names it', async () => {
      const { manifest, artifact, warnings } = await build(
        'export default function greet(name: string, times = 1): object {\n  return { hello: name, times }\n}\n',
      )
      const text = Buffer.from(artifact).toString()
      expect(text).toContain('function greet(name, times = 1)')
      expect(text).toMatch(/greet as default\n\};\n\/\/# sourceMappingURL=data:application\/json;base64,\S+\n$/)
      expect(manifest).toMatchObject({
        namespace: 'demo',
        name: 'greet',
        parameters: ['name', 'times'],
        artifact: { digest: digestOf(artifact), bytes: artifact.length },
        source: { entry: 'greet.ts', language: 'typescript' },
        settings: { access: 'token', execution: { timeoutMs: 10_000 } },
      })
      expect(manifest.provenance).toMatchObject({ tools: [expect.stringMatching(/^esbuild \d/), expect.stringMatching(/^node \d/)] })
      expect(warnings).toEqual([])
    })
    test('the manifest names the tests and files that came along; another test is another version, and packages are not named', async () => {
      const files = { 'greet.ts': 'export default () => 1', 'node_modules/x/a.test.js': '1', 'greet.test.ts': 'test' }
      const { manifest } = await build(files)
      expect(manifest.tests).toEqual([{ file: 'greet.test.ts', digest: digestOf(Buffer.from('test')) }])
      expect(manifest.provenance.files).toEqual(['greet.test.ts', 'greet.ts'])
      const other = await build({ ...files, 'greet.test.ts': 'another' })
      expect(other.manifest.artifact).toEqual(manifest.artifact)
      expect(versionOf(other.manifest)).not.toBe(versionOf(manifest))
      const many = Object.fromEntries(Array.from({ length: 65 }, (_, at) => [`${at}.test.ts`, '1']))
      expect(await failure({ ...files, ...many })).toMatchObject({ code: 'invalid_argument' })
    })
    test('the same source gives the same bytes, and other source others', async () => {
      const [one, two, other] = await Promise.all([
        build('export default () => 1'),
        build('export default () => 1'),
        build('export default () => 2'),
      ])
      expect(two).toEqual(one)
      expect(other.manifest.artifact.digest).not.toBe(one.manifest.artifact.digest)
    })
    test('files, JSON, text and packages are bundled; osiris/function stays an import', async () => {
      const { artifact } = await build(
        {
          'src/greet.ts':
            "import { call } from 'osiris/function'\nimport { a } from './a'\nimport data from '../data.json'\nimport page from './page.html'\nimport pad from 'pad'\nexport default () => [call, a, data.x, page, pad]",
          'src/a.ts': 'export const a: number = 41 + 1',
          'src/page.html': '<p>hi</p>',
          'data.json': '{"x": "from json"}',
          'node_modules/pad/package.json': '{"name":"pad","exports":{".":{"workerd":"./worker.js","default":"./node.js"}}}',
          'node_modules/pad/worker.js': 'module.exports = "for workers"',
          'node_modules/pad/node.js': 'module.exports = require("fs")',
        },
        { entry: 'src/greet.ts' },
      )
      const text = Buffer.from(artifact).toString()
      for (const part of ['from "osiris/function"', '41 + 1', 'from json', '<p>hi</p>', 'for workers']) expect(text).toContain(part)
    })
    test('settings come with their defaults, and wrong ones are named by key', async () => {
      const { manifest } = await build('export default () => 1', {
        config: { access: 'public', routes: ['GET /ping'], execution: { timeout: '2s' } },
      })
      expect(manifest.settings).toMatchObject({ access: 'public', routes: ['GET /ping'], execution: { timeoutMs: 2000, cpuMs: 2000 } })
      expect(await failure('export default 1', { config: { execution: { timeout: 'soon' } } })).toMatchObject({
        code: 'invalid_argument',
        message: expect.stringContaining('execution.timeout'),
      })
      expect(await failure('export default 1', { config: { routes: ['/a*/b'] } })).toMatchObject({
        code: 'invalid_argument',
        message: expect.stringContaining('/a*/b'),
      })
    })
    test('a syntax error is build_failed with file, line, column and frame', async () => {
      const error = await failure({ 'syntax.ts': broken('syntax.ts') }, { entry: 'syntax.ts' })
      const frame = "  2 |   const text = 'hello'\n> 3 |   return { text name }\n    |                 ^\n  4 | }"
      expect(error.code).toBe('build_failed')
      expect(error.message).toBe(`Cannot build "demo/greet": syntax.ts:3:17: Expected "}" but found "name"\n${frame}`)
      expect(error.details?.problems).toEqual([{ file: 'syntax.ts', line: 3, column: 17, message: 'Expected "}" but found "name"', frame }])
    })
    test('imports that lead nowhere are listed, each with its reason', async () => {
      const error = await failure({ 'unresolved.ts': broken('unresolved.ts') }, { entry: 'unresolved.ts' })
      expect(error.code).toBe('build_failed')
      const problems = error.details?.problems as { line: number; message: string }[]
      expect(problems.toSorted((a, b) => a.line - b.line).map((each) => each.message)).toEqual([
        'Could not resolve "node:fs": it is a module of Node.js, and functions have the web platform\'s APIs only',
        'Could not resolve "./nothing.ts": no such file in the source',
        'Could not resolve "left-pad-that-is-not-installed": the package is not in the source (is it installed where you deploy from?)',
      ])
    })
    test.each([
      ['5', 'a number'],
      ['-1.5e3', 'a number'],
      ['"text"', 'a text'],
      ['null', 'null'],
      ['true', 'a boolean'],
      ['7n', 'a BigInt'],
      ['{}', 'an empty object'],
    ])('export default %s is build_failed: it is %s', async (literal, kind) => {
      const error = await failure({ 'a.ts': `export default ${literal}` }, { entry: 'a.ts' })
      expect(error).toMatchObject({
        code: 'build_failed',
        message: expect.stringContaining(`the default export of "a.ts" is ${kind}; export a function`),
      })
    })
    test.each([
      'const text = `\nvar a_default = 5;\n`\nexport default () => text',
      'let a_default: unknown = 5\na_default = () => 1\nexport { a_default as default }',
      'export default JSON.parse("5")',
    ])('%j is built: what it exports shows when it runs', async (source) => {
      expect((await build({ 'a.ts': source }, { entry: 'a.ts' })).artifact.length).toBeGreaterThan(0)
    })
    test.each(['../../../etc/a.map', '/etc/a.map', 'file:///etc/a.map', '%2e%2e/%2e%2e/a.map', '..%2f..%2fa.map'])(
      'a source map at %s is outside the source: refused, not read',
      async (url) => {
        const files = { 'src/a.ts': `export default () => 1\n//# sourceMappingURL=${url}` }
        expect(await failure(files, { entry: 'src/a.ts' })).toMatchObject({
          code: 'invalid_argument',
          message: expect.stringContaining('names a source map outside the source'),
        })
      },
    )
    test('a source map beside its file, of a package or as data, is no reason to refuse', async () => {
      for (const url of ['a.js.map', '../a.map', 'data:application/json,{}', 'https://a.example/a.map'])
        expect(
          (await build({ 'src/a.ts': `export default () => 1\n//# sourceMappingURL=${url}` }, { entry: 'src/a.ts' })).warnings,
        ).toEqual([])
    })
    test('no default export is build_failed, and the sentence says what is exported', async () => {
      expect(await failure({ 'a.ts': broken('no-default.ts') }, { entry: 'a.ts' })).toMatchObject({
        code: 'build_failed',
        message: 'Cannot build "demo/greet": "a.ts" has no default export, and that is what is called (it exports greet only)',
      })
    })
    test.each<[string, Partial<Source>]>([
      ['an empty file', { files: { 'greet.ts': ' \n' } }],
      ['a file with NUL bytes', { files: { 'greet.ts': 'export default 1\0' } }],
      ['a binary file', { files: { 'greet.ts': '\ufffd\u0001\u0002PNG\ufffd' } }],
      ['an entry that is not there', { files: { 'other.ts': 'export default 1' } }],
      ['an entry in another language', { files: { 'greet.py': 'print(1)' }, entry: 'greet.py' }],
      ['a name with capitals', { name: 'Greet' }],
      ['a namespace that is a path', { namespace: '../x' }],
      ['a path out of the source', { files: { 'greet.ts': 'export default 1', '../evil.ts': 'x' } }],
      ['an absolute path', { files: { 'greet.ts': 'export default 1', '/tmp/evil.ts': 'x' } }],
      ['a path with a backslash', { files: { 'greet.ts': 'export default 1', 'a\\b.ts': 'x' } }],
      ['a file that is also a folder', { files: { 'greet.ts': 'export default 1', 'greet.ts/x.ts': 'x' } }],
      ['a million brackets', { files: { 'greet.ts': `export default ${'['.repeat(1e6)}` } }],
    ])('%s is invalid_argument', async (_, parts) => {
      expect((await failure('export default 1', parts)).code).toBe('invalid_argument')
    })
    test('more files or bytes than are taken are payload_too_large', async () => {
      const many = Object.fromEntries(Array.from({ length: 2001 }, (_, index) => [`f${index}.ts`, '']))
      expect((await failure({ ...many, 'greet.ts': 'export default 1' })).code).toBe('payload_too_large')
      expect((await failure(`export default ${JSON.stringify('x'.repeat(9 * 1024 * 1024))}`)).code).toBe('payload_too_large')
    })
    test('a bundle of more than 16 MiB is build_failed', async () => {
      // The bundler indents what is nested.
      const text = `export default function () {${'if (a) {'.repeat(40)}${'x()\n'.repeat(200_000)}${'}'.repeat(40)}}`
      expect((await failure(text)).message).toMatch(
        /the bundle has 16\.\d MiB, at most 16\.0 MiB are taken; the largest parts of it are greet\.ts \(16\.\d MiB\)$/,
      )
    })
    test('nothing outside the source is read, and nothing of it is told', async () => {
      const outside = new URL('../../package.json', import.meta.url).pathname
      for (const path of [outside, `../../../../../../../../..${outside}`]) {
        const error = await failure(`import it from ${JSON.stringify(path)}\nexport default it`)
        expect(error.code).toBe('build_failed')
        expect(JSON.stringify(error.details)).not.toContain('isolates')
      }
    })
    test('an import from the web is build_failed', async () => {
      expect((await failure("import a from 'https://example.org/a.js'\nexport default a")).message).toContain(
        'it imports "https://example.org/a.js"',
      )
    })
  })
}
