/**
 * A worker program in the hands of an attacker: it speaks the pipe's language, and tries for a call `["act", …]` what the act names.
 * The answer is what it got: a value, or `denied CODE`.
 */
export const INTRUDER = `
const fs = require('node:fs'), net = require('node:net'), { spawnSync } = require('node:child_process')
const socket = new net.Socket({ fd: 3 })
const frame = (kind, id, payload = '') => { const head = Buffer.alloc(17); head.writeUInt32LE(13 + Buffer.byteLength(payload)); head[4] = kind
  head.writeUInt32LE(id, 5); return Buffer.concat([head, Buffer.from(payload)]) }
for (const descriptor of (process.argv[2] ?? '').split(',').filter(Boolean)) fs.closeSync(Number(descriptor))
const failed = (error) => 'denied ' + (error.code ?? error.message)

/** Errno of a raw system call, 0 when the kernel did it; null in a Node without ffi. */
const raw = (number, args) => {
  let ffi
  try { ffi = require('node:ffi') } catch { return null }
  const { functions } = ffi.dlopen('libc.so.6', { syscall: { return: 'i64', arguments: Array(7).fill('i64') }, __errno_location: { return: 'pointer', arguments: [] } })
  const result = functions.syscall(BigInt(number), ...Array.from({ length: 6 }, (_, index) => BigInt(args[index] ?? 0)))
  return Number(result) === -1 ? ffi.getInt32(functions.__errno_location(), 0) : 0
}

const acts = {
  read: (path) => fs.readFileSync(path).length,
  list: (path) => fs.readdirSync(path).toSorted(),
  write: (path) => fs.writeFileSync(path, 'x'),
  run: (path) => { const { error, status } = spawnSync(path, ['--version']); if (error) throw error; return status },
  signal: (pid) => process.kill(pid, 0),
  connect: (port, host) => new Promise((resolve) => net.connect(port, host, () => resolve('connected')).on('error', (error) => resolve(failed(error)))),
  environment: () => Object.keys(process.env).filter((name) => name !== 'PWD'),
  who: () => ({ pid: process.pid, uid: process.getuid(), path: process.execPath, host: require('node:os').hostname(), cwd: process.cwd(), stack: new Error('x').stack }),
  raw: (number, ...args) => raw(number, args),
  buffers: () => { const held = []; for (;;) held.push(Buffer.alloc(1 << 20, 1)) },
  spin: () => { for (;;); },
  threads: () => { const { Worker } = require('node:worker_threads'); for (let i = 0; i < 1000; i++) new Worker('for(;;);', { eval: true }).on('error', () => {}); return new Promise(() => {}) },
}

const attempt = async ([act, ...args]) => { try { return (await acts[act](...args)) ?? 'done' } catch (error) { return failed(error) } }
socket.write(frame(32, 1))
socket.on('end', () => process.exit())
let rest = Buffer.alloc(0)
socket.on('data', (chunk) => {
  rest = Buffer.concat([rest, chunk])
  while (rest.length >= 4 && rest.length >= 4 + rest.readUInt32LE(0)) {
    const size = 4 + rest.readUInt32LE(0), kind = rest[4], id = rest.readUInt32LE(5), payload = rest.subarray(17, size)
    rest = rest.subarray(size)
    if (kind === 1) socket.write(frame(33, id))
    if (kind === 2) attempt(JSON.parse(payload)).then((got) => socket.write(frame(35, id, JSON.stringify(got))))
  }
})
`
