/** The command line, as a process. Everything is imported after the cache for compiled code is on: it halves the time to start. */
import { enableCompileCache } from 'node:module'

enableCompileCache()
const { endProcess, processIo } = await import('./io.ts')
const { runCommand } = await import('./program.ts')
endProcess(await runCommand(process.argv.slice(2), processIo()))
