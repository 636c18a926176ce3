import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'

/** A checkout with nothing in it but what decides which program runs. */
let dir: string
const at = (...names: string[]) => join(dir, ...names)
const write = (path: string, text: string, seconds: number) => {
  mkdirSync(join(path, '..'), { recursive: true })
  writeFileSync(path, text)
  utimesSync(path, seconds, seconds)
}
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'osiris-bin-'))
  write(at('package.json'), '{ "type": "module" }', 100)
  write(at('protocols', 'errors.ts'), '', 100)
  write(at('sdk', 'index.ts'), '', 100)
  write(at('node', 'cli', 'main.ts'), 'console.log("sources")', 100)
  write(at('node', 'cli', 'main.generated.js'), 'console.log("bundle")', 200)
  copyFileSync(join(import.meta.dirname, 'bin.js'), at('node', 'cli', 'bin.js'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const run = () => execFileSync(process.execPath, [at('node', 'cli', 'bin.js')], { encoding: 'utf8' }).trim()

it('the bundle runs while it is newer than every source', () => {
  expect(run()).toBe('bundle')
  write(at('protocols', 'errors.test.ts'), '', 300)
  expect(run()).toBe('bundle')
})

it('a source that was edited since runs as it is', () => {
  write(at('protocols', 'errors.ts'), '', 300)
  expect(run()).toBe('sources')
})

it('without a bundle the sources run, and without sources the bundle', () => {
  rmSync(at('node', 'cli', 'main.generated.js'))
  expect(run()).toBe('sources')
  write(at('node', 'cli', 'main.generated.js'), 'console.log("bundle")', 50)
  rmSync(at('node', 'cli', 'main.ts'))
  expect(run()).toBe('bundle')
})
