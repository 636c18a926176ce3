/** The process that starts workers for a node (`nursery.ts`): each order comes with one end of the worker's pipe. It holds nothing else, and ends with its node. */
import { spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import type { Order, Word } from './nursery.ts'
import { lastWords, writeAndClose } from './stdio.ts'

const say = (word: Word): void => void process.send?.(word)

process.on('message', ({ id, command: [program, ...args], seccomp }: Order, pipe: Socket) => {
  const stdio = ['ignore', 'ignore', 'pipe', pipe, ...(seccomp === undefined ? [] : ['pipe' as const])] as const
  const child = spawn(program, args, { stdio: [...stdio], env: {}, cwd: '/', detached: true })
  // Its own copy is the worker's now.
  pipe.destroy()
  if (seccomp !== undefined) writeAndClose(child.stdio[4] as Socket | null, Buffer.from(seccomp, 'base64'))
  const stderr = lastWords(child.stderr)
  child.once('error', (error) => say({ id, error: error.message }))
  child.once('close', (code, signal) => say({ id, code, signal, stderr: stderr() }))
  if (child.pid !== undefined) say({ id, pid: child.pid })
})
process.once('disconnect', () => process.exit(0))
