/**
 * A worker process: frames in on descriptor 3, an engine, frames out. It knows no namespace, no key and no environment, and ends when the pipe does.
 * What user code prints is a frame; stdout is closed, stderr carries only what the engine says when it dies.
 */
import { randomBytes } from 'node:crypto'
import { closeSync, readFileSync, writeSync } from 'node:fs'
import { Socket } from 'node:net'
import { DO, type FrameHandler, FrameReader, FrameWriter, SAY, sendTo } from '../frames.ts'
import { IsolateEngine, snapshotOf } from '../engines/isolate/engine.ts'
import { dispatch } from './dispatch.ts'
import { reportsTo } from './reports.ts'

const PIPE = 3
const STDOUT = 1
const ENTROPY_BYTES = 256
/** The node is trusted here; this only keeps a broken pipe from asking for absurd memory. */
const FRAME_BYTES_MAX = 0x7fff_ffff

// What the node's libraries left open to its children, as walls/command.ts lists it: nobody here may write into the node's files.
for (const descriptor of (process.argv[2] ?? '').split(',').filter(Boolean)) closeSync(Number(descriptor))

const runtime = readFileSync(new URL('../engines/isolate/runtime.generated.js', import.meta.url), 'utf8')
if (process.argv[3] === 'snapshot') {
  const snapshot = snapshotOf(runtime)
  for (let sent = 0; sent < snapshot.length;) sent += writeSync(STDOUT, snapshot, sent)
  process.exit(0)
}

/** Every read goes into the same memory: what a frame says is copied into an isolate before the next read. */
const input = Buffer.allocUnsafeSlow(64 * 1024)
const onread = {
  buffer: input,
  callback: (length: number) => {
    reader.push(input.subarray(0, length))
    writer.flush()
    return true
  },
}
const socket = new Socket({ fd: PIPE, readable: true, writable: true, onread })
const writer = new FrameWriter((parts) => sendTo(socket, parts))
const leave = () => process.exit(0)
socket.on('end', leave).on('close', leave).on('error', leave)

// What is said while frames are read leaves when they all have been.
const { reports, flushSoon } = reportsTo(writer)
const begin = (snapshot: Uint8Array | undefined) => {
  const engine = new IsolateEngine({ runtime, snapshot, random: () => randomBytes(ENTROPY_BYTES).toString('hex'), reports })
  void engine.warmUp().then(() => {
    writer.bytes(SAY.ready, process.pid, 0, 0)
    flushSoon()
  })
  return dispatch(engine, () => writer.bytes(SAY.pong, 0, 0, 0))
}
let handle: FrameHandler | undefined
const reader = new FrameReader(
  (kind, id, a, b, buffer, start, end) => {
    if (handle !== undefined) return handle(kind, id, a, b, buffer, start, end)
    handle = begin(kind === DO.snapshot && end > start ? new Uint8Array(buffer.subarray(start, end)) : undefined)
  },
  () => FRAME_BYTES_MAX,
)
socket.resume()
