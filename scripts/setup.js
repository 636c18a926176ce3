/**
 * Makes a checkout ready: locked packages, a real Node 26 from npm, what is generated, and `npx osiris`. Plain JavaScript for Node 20 or newer, with
 * nothing installed. Does nothing, in some 50 ms, when all is there; two at once wait for each other.
 */
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { delimiter, dirname, join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

const MAJOR_MIN = 20
/** A first install on a slow line takes minutes, never so long. */
const LOCK_WAIT_MS = 15 * 60_000

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const modules = join(root, 'node_modules')
const stampPath = join(modules, '.osiris-setup.json')
/** Beside node_modules, which `npm ci` empties. */
const lockPath = join(root, '.osiris-setup.lock')

/** The Node that runs everything else. */
export const node = join(modules, 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node')

class SetupError extends Error {}

/** Throws an Error whose message is one sentence. */
export async function setup() {
  if (Number(process.versions.node.split('.')[0]) < MAJOR_MIN) {
    throw new SetupError(`Node ${MAJOR_MIN} or newer is needed to begin (this is ${process.versions.node})`)
  }
  const packages = hashOf(readFileSync(join(root, 'package-lock.json')))
  if (isDone(packages)) return
  await takeLock()
  try {
    if (isDone(packages)) return
    await install(packages)
    linkCommand()
    await generate()
    writeFileSync(stampPath, JSON.stringify({ packages, sources: sourcesHash() }))
  } finally {
    rmSync(lockPath, { force: true })
  }
}

function isDone(packages) {
  const stamp = jsonOf(stampPath)
  return stamp?.packages === packages && existsSync(node) && isLinked() && stamp.sources === sourcesHash()
}

async function install(packages) {
  if (jsonOf(stampPath)?.packages === packages && existsSync(node)) return
  const wanted = jsonOf(join(root, 'package-lock.json')).packages
  if (!isInstalled(wanted)) {
    say('installing packages (once; about 20 s)')
    await npm(['ci'])
  }
  const version = wanted['node_modules/node'].version
  if (nodeVersion() !== `v${version}`) {
    say(`installing Node ${version} for everything that runs (this is ${process.versions.node})`)
    // The project runs no install scripts but this one, which puts the binary in its place.
    await npm(['rebuild', 'node', '--ignore-scripts=false', '--foreground-scripts'])
  }
  if (nodeVersion() !== `v${version}`) throw new SetupError(`Node ${version} could not be installed: ${node} does not run`)
}

/** Whether npm's own record of the folder holds every package of the lock file that this platform needs. */
function isInstalled(wanted) {
  const there = jsonOf(join(modules, '.package-lock.json'))?.packages
  if (there === undefined) return false
  return Object.entries(wanted).every(
    ([path, { version, optional }]) => path === '' || there[path]?.version === version || (optional === true && there[path] === undefined),
  )
}

function nodeVersion() {
  return spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout?.trim()
}

/** The scripts of `npm start` find their packages' commands first; npm must not run on the Node that it replaces. */
function outerPath() {
  const folders = (process.env.PATH ?? '').split(delimiter)
  return folders.filter((each) => !each.includes(`${sep}node_modules${sep}.bin`) && !each.includes('node-gyp-bin')).join(delimiter)
}

function npm(args) {
  const env = { ...process.env, PATH: outerPath() }
  return run('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], env, (output) => {
    const code = /npm error code (\S+)/.exec(output)?.[1] ?? ''
    if (/^(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT|FETCH_ERROR)$/.test(code)) {
      return `the package registry cannot be reached (${code}); connect this machine to the network and try again`
    }
    if (code === 'ENOSPC') return 'the disk is full'
    if (/^(EACCES|EPERM|EROFS)$/.test(code)) return `${modules} cannot be written (${code})`
    const reason = /npm error (?!code )(.+)/.exec(output)?.[1] ?? output.trim().split('\n').at(-1)
    return `npm ${args[0]} failed: ${reason || 'it says nothing'}`
  })
}

async function generate() {
  const script = join(root, 'scripts', 'runtime.ts')
  if (!existsSync(script)) return
  await run(node, [script], process.env, (output) => `scripts/runtime.ts failed: ${output.trim().split('\n').at(-1) || 'it says nothing'}`)
}

function run(command, args, env, sentenceOf) {
  return new Promise((resolve, reject) => {
    let output = ''
    const child = spawn(command, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'], shell: process.platform === 'win32' })
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output = (output + String(text)).slice(-65_536)))
    child.once('error', (error) =>
      reject(
        new SetupError(
          error.code === 'ENOENT' ? `${command} is not on the PATH; it comes with Node` : `${command} cannot run: ${error.message}`,
        ),
      ),
    )
    child.once('close', (code) => (code === 0 ? resolve() : reject(new SetupError(sentenceOf(output)))))
  })
}

const command = join(modules, '.bin', 'osiris')
const commandTarget = join('..', '..', 'node', 'cli', 'bin.js')

function isLinked() {
  try {
    return readlinkSync(command) === commandTarget
  } catch {
    return process.platform === 'win32'
  }
}

/** npm links the commands of packages, not the project's own. */
function linkCommand() {
  if (isLinked()) return
  mkdirSync(dirname(command), { recursive: true })
  rmSync(command, { force: true })
  symlinkSync(commandTarget, command)
}

/** Everything the generated files could be made of, and those files themselves: names, sizes and times. */
function sourcesHash() {
  const hash = createHash('sha256')
  const add = (path) => {
    const { size, mtimeMs } = statSync(path)
    hash.update(`${path}\0${size}\0${mtimeMs}\0`)
  }
  const walk = (folder) => {
    for (const each of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, each.name)
      if (each.isDirectory()) walk(path)
      else if (each.isFile() && !/\.(md|test\.ts)$/.test(each.name)) add(path)
    }
  }
  walk(join(root, 'protocols'))
  const script = join(root, 'scripts', 'runtime.ts')
  if (existsSync(script)) add(script)
  return hash.digest('hex')
}

async function takeLock() {
  const end = Date.now() + LOCK_WAIT_MS
  for (let told = false; ; told = true) {
    try {
      return writeFileSync(lockPath, String(process.pid), { flag: 'wx' })
    } catch (error) {
      if (error.code !== 'EEXIST') throw new SetupError(`${root} cannot be written (${error.code})`)
    }
    if (ownerIsGone()) rmSync(lockPath, { force: true })
    else if (Date.now() > end) throw new SetupError(`another setup holds ${lockPath}`)
    else if (!told) say('waiting for another setup')
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

function ownerIsGone() {
  try {
    const pid = Number(readFileSync(lockPath, 'utf8'))
    // Taken a moment ago, and not yet written.
    if (pid === 0) return Date.now() - lstatSync(lockPath).mtimeMs > 5000
    process.kill(pid, 0)
    return false
  } catch (error) {
    return error.code === 'ESRCH'
  }
}

const hashOf = (bytes) => createHash('sha256').update(bytes).digest('hex')
const say = (text) => process.stderr.write(`osiris setup: ${text}\n`)

function jsonOf(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}

/** Runs `work`; what is in its way is one line, and exit code 1. */
export async function orOneLine(work) {
  try {
    await work()
  } catch (error) {
    if (!(error instanceof SetupError)) throw error
    say(error.message)
    process.exitCode = 1
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await orOneLine(setup)
