/** Preloaded into real processes: ends this one with SIGKILL right before or after a file gets its name (`KILL_AT=before:node.key`). */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { basename } from 'node:path'

const step = process.env['KILL_AT'] ?? ''
const { rename } = fs.promises
const { renameSync } = fs

function at(when: 'before' | 'after', to: fs.PathLike): void {
  if (step === `${when}:${basename(String(to))}`) process.kill(process.pid, 'SIGKILL')
}

fs.promises.rename = async (from, to) => {
  at('before', to)
  await rename(from, to)
  at('after', to)
}
fs.renameSync = (from, to) => {
  at('before', to)
  renameSync(from, to)
  at('after', to)
}
syncBuiltinESMExports()
