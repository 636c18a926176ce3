#!/usr/bin/env node
/** The command as npm installs it. Any Node may start this file, so it is plain JavaScript without imports of ours; the work is done by Node 24 or newer. */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import module from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const MAJOR_MIN = 24

const here = dirname(fileURLToPath(import.meta.url))
const sources = join(here, 'main.ts')
const bundle = join(here, 'main.generated.js')
// In a checkout the sources run as they are whenever they are newer than the bundle that `npm run setup` made of them.
const main = existsSync(sources) && !isFresh(bundle, join(here, '../..')) ? sources : bundle

if (isBareCheckout()) {
  process.stderr.write('osiris: this checkout is not set up yet; "npm run setup" does it\n')
  process.exitCode = 1
} else if (Number(process.versions.node.split('.')[0]) >= MAJOR_MIN) {
  // Before the first import: compiled code is kept from one start to the next.
  module.enableCompileCache?.()
  await import(pathToFileURL(main).href)
} else {
  const installed = findNode(here)
  if (installed === undefined) {
    process.stderr.write(`osiris: Node ${MAJOR_MIN} or newer is needed (this is ${process.versions.node})\n`)
    process.exitCode = 1
  } else {
    run(installed)
  }
}

/** Sources that have never been set up; `npx osiris` finds the command there all the same. */
function isBareCheckout() {
  const root = join(here, '..', '..')
  return existsSync(join(root, 'scripts', 'setup.js')) && !existsSync(join(root, 'node_modules', '.osiris-setup.json'))
}

/** Whether the bundle is newer than every source it was made of. About 5 ms. */
function isFresh(path, root) {
  const madeAt = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
  return ['protocols', 'node', 'sdk'].every((room) =>
    readdirSync(join(root, room), { recursive: true, encoding: 'utf8' }).every(
      (name) => !name.endsWith('.ts') || name.endsWith('.test.ts') || statSync(join(root, room, name)).mtimeMs < madeAt,
    ),
  )
}

/** The Node that npm installed with the package, in this folder or above it. */
function findNode(folder) {
  const path = join(folder, 'node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
  if (existsSync(path)) return path
  return dirname(folder) === folder ? undefined : findNode(dirname(folder))
}

/** The same command under another Node; signals go to both, and the ending is the other's. */
function run(command) {
  const child = spawn(command, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' })
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => child.kill(name))
  child.once('error', (error) => {
    process.stderr.write(`osiris: Cannot run ${command}: ${error.message}\n`)
    process.exitCode = 1
  })
  child.once('exit', (code, signal) => {
    if (signal === null) return process.exit(code)
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.removeAllListeners(name)
    process.kill(process.pid, signal)
  })
}
