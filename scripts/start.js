/** `npm start`: what is missing is installed, then a universe of five nodes runs the functions of fixtures/functions until Ctrl-C. Options go to `osiris universe start`. */
import { spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { node, orOneLine, setup } from './setup.js'

const here = dirname(fileURLToPath(import.meta.url))
const args = process.argv.slice(2)
const isNewEnough = Number(process.versions.node.split('.')[0]) >= 24

await orOneLine(async () => {
  await setup()
  if (isNewEnough) await start()
  else again()
})

/** The same under the Node that was installed. Signals are passed on; the ending is the other's. */
function again() {
  const child = spawn(node, [fileURLToPath(import.meta.url), ...args], { stdio: 'inherit' })
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => child.kill(name))
  child.once('exit', (code) => process.exit(code ?? 1))
}

async function start() {
  const { enableCompileCache } = await import('node:module')
  enableCompileCache()
  const { endProcess, processIo, runCommand } = await import('#node/cli')
  const io = processIo()
  const universeReady = async (http) => {
    const code = await runCommand(['deploy', join(here, '..', 'fixtures', 'functions'), '--node', http], io)
    if (code === 0) io.out(commandsToPaste(http))
  }
  endProcess(await runCommand(['universe', 'start', ...args], io, { universeReady }))
}

function commandsToPaste(http) {
  const { port } = new URL(http)
  return `
Three commands to paste:
  npx osiris call demo/greet '"Ada"' 2
  curl -X POST ${http}/v1/call/demo/greet -d '["Ada",2]'
  curl http://site.demo.localhost:${port}/
`
}
