import fc from 'fast-check'
import { runInThisContext } from 'node:vm'
import { expect, it } from 'vitest'
import { asScript, PLACE } from './as-script.ts'

type Make = (...given: unknown[]) => { default: unknown }
const makeOf = (text: string) => runInThisContext(text, { ...PLACE, filename: 'f.js' }) as Make
const given = { env: 'ENV', log: 'LOG', call: 'CALL' }
const exportsOf = (module: string) => {
  const form = asScript(module)
  return form === undefined ? undefined : makeOf(form.script)(...form.imports.map((name) => given[name as keyof typeof given])).default
}
/** As the bundler writes it: a package first, then the file that imports. */
const PLAIN = `// package.js
var twice = (a) => a * 2;

// f.ts
import { env, log as tell } from "osiris/function";
var f_default = [tell, env, typeof (() => this)(), twice(2)];
var other = 1;
export {
  f_default as default,
  other
};
`
const MINIFIED =
  'var t=e=>e*2;import{env as r,log as o}from"osiris/function";var a=[o,r,typeof(()=>this)(),t(2)],s=1;export{a as default,s as other};\n'

it('what a function imports and exports arrives, whatever the lists look like', () => {
  const names = fc.uniqueArray(fc.stringMatching(/^[a-z_$é][A-Za-z0-9_$]{3,8}$/), { minLength: 4, maxLength: 8 })
  const imports = fc.subarray(['env', 'log', 'call'] as const)
  fc.assert(
    fc.property(names, imports, fc.boolean(), fc.nat(3), ([own = '', ...locals], imported, minified, place) => {
      const gap = minified ? '' : ' '
      const list = imported.map((name, index) => `${name} as ${locals[index] ?? ''}`).join(`,${gap}`)
      const head = imported.length === 0 ? '' : `import${gap}{${gap}${list}${gap}}${gap}from${gap}"osiris/function";`
      const body = `var ${own}_own = [${imported.map((_, index) => locals[index]).join(',')}];`
      const others = [`${own}_own as other`, `${own}_own as more`, `${own}_own as rest`].slice(0, place)
      const tail = [...others, `${own}_own as default`].join(`,${gap}`)
      const parts = place % 2 === 0 ? [head, body] : [body.replace('var', 'var before=1,'), head]
      // An import is found wherever it is: the bundler puts it where the importing file begins.
      expect(exportsOf(`${parts.join(minified ? '' : '\n')}\nexport${gap}{${gap}${tail}${gap}};\n`)).toEqual(
        imported.map((name) => given[name]),
      )
    }),
  )
})

it.each([PLAIN, MINIFIED])('what the builder makes is taken: %j', (module) => {
  expect(exportsOf(module)).toEqual(['LOG', 'ENV', 'undefined', 4])
})

it.each([
  ['no export', 'var a = 1\n'],
  ['no default', 'var a = 1\nexport { a };\n'],
  ['an export default', 'export default 1\n'],
  ['an export that is not last', 'var a = 1\nexport { a as default };\na = 2\n'],
  ['an export from elsewhere', 'export { a as default } from "osiris/function";\n'],
  ['a default import', 'import a from "osiris/function";\nexport { a as default };\n'],
  ['a namespace import', 'import * as a from "osiris/function";\nexport { a as default };\n'],
  ['two mentions', 'import { log } from "osiris/function";\nvar a = "osiris/function";\nexport { a as default };\n'],
  ['a comment of HTML', 'var b = 1, a = 1 <!--b\nexport { a as default };\n'],
  ['the end of one', 'var a = 2\n/* */ --> 1\nexport { a as default };\n'],
  ['a name in a string', 'var a = 1\nexport { a as "default" };\n'],
])('%s is not taken', (_, module) => {
  expect(asScript(module)).toBeUndefined()
})

it.each([
  ['await', 'var a = await (1);'],
  ['arguments', 'var a = typeof arguments;'],
  ['return', 'var a = 1; if (a) return;'],
  ['another import', 'import { b } from "elsewhere"; var a = b;'],
])('what means something else in a function does not compile: %s', (_, body) => {
  const form = asScript(`${body}\nexport { a as default };\n`)
  expect(() => [form?.check, form?.script].map((text) => runInThisContext(`() => {${text ?? ''}}`))).toThrow(SyntaxError)
})

it('the top level is strict, its `this` is undefined, and lines and columns are those of the module', () => {
  expect(exportsOf('var a = this;\nexport { a as default };\n')).toBeUndefined()
  expect(() => exportsOf('undeclared = 1; var a;\nexport { a as default };\n')).toThrow(ReferenceError)
  const stack = exportsOf('import { log as l } from "osiris/function";var a = new Error("x").stack;\nexport { a as default };\n') as string
  expect(stack).toContain('f.js:1:52')
})
