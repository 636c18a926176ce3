import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { makeFolder } from './folder.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'osiris-folder-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

it('makeFolder() makes what is missing for its owner only, and leaves what is there', () => {
  makeFolder(join(dir, 'a', 'b'))
  expect(statSync(join(dir, 'a', 'b')).mode & 0o777).toBe(0o700)
  mkdirSync(join(dir, 'open'), { mode: 0o755 })
  makeFolder(join(dir, 'open'))
  expect(statSync(join(dir, 'open')).mode & 0o777).toBe(0o755)
})

it('makeFolder() throws what the file system said', () => {
  writeFileSync(join(dir, 'file'), '')
  expect(() => makeFolder(join(dir, 'file'))).toThrow(/EEXIST/)
  expect(() => makeFolder(join(dir, 'file', 'below'))).toThrow(/ENOTDIR/)
})

it.runIf(process.platform === 'linux')('makeFolder() comes to an end where nothing can be made', () => {
  expect(() => makeFolder('/proc/osiris/below')).toThrow(/ENOENT/)
})
