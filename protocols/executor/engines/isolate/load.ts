/** An artifact (one ES module) into a blank isolate. */
import type ivm from 'isolated-vm'
import type { WireSettings } from '../../frames.ts'
import type { Blank } from './context.ts'

/** Below this, compiling here takes less than a trip to a thread and back. */
const COMPILE_HERE_MAX = 32 * 1024
const FUNCTION_MODULE = 'osiris/function'
/** Evaluates the user's module first, waits for its top-level awaits, then hands its exports to the runtime. */
const ENTRY = `import * as user from 'osiris:user'\nimport { bind } from 'osiris:bind'\nbind(user)`

/** Resolves when the module has run, or waits for something; `compiled` is called before it runs. Rejects with what it threw, as isolated-vm copied it out. */
export async function loadModule(blank: Blank, settings: WireSettings, artifact: string, compiled: () => void): Promise<void> {
  const { isolate, context } = blank
  const options = { filename: `${settings.name}.js` }
  const isLong = artifact.length > COMPILE_HERE_MAX && !blank.isShared
  const user = isLong ? await isolate.compileModule(artifact, options) : isolate.compileModuleSync(artifact, options)
  refuseImports(user, settings.name)
  const entry = isolate.compileModuleSync(ENTRY, { filename: 'osiris:runtime' })
  entry.instantiateSync(context, (specifier) => moduleFor(specifier, blank, user))
  compiled()
  if (blank.isShared) entry.evaluateSync({ timeout: settings.loadMs })
  else await entry.evaluate({ timeout: settings.loadMs })
}

function refuseImports(user: ivm.Module, name: string): void {
  const refused = user.dependencySpecifiers.find((specifier) => specifier !== FUNCTION_MODULE)
  if (refused === undefined) return
  const message = `Cannot load "${name}": it imports ${JSON.stringify(refused.slice(0, 200))}; a built function has no imports but "${FUNCTION_MODULE}"`
  // Plain, so that it travels with its code: not the user's throw.
  throw Object.assign(Object.create(null), { code: 'function_failed', message }) as Error
}

function moduleFor(specifier: string, blank: Blank, user: ivm.Module): ivm.Module {
  if (specifier === FUNCTION_MODULE) return blank.functionModule
  return specifier === 'osiris:user' ? user : blank.bindModule
}
