/** An artifact (one ES module) into a blank isolate. */
import ivm from 'isolated-vm'
import { CACHED_ARTIFACT_BYTES_MIN } from '../../bounds.ts'
import type { WireSettings } from '../../frames.ts'
import { asScript, FUNCTION_MODULE, PLACE } from './as-script.ts'
import type { Blank } from './context.ts'

/** Evaluates the user's module first, waits for its top-level awaits, then hands its exports to the runtime. */
const ENTRY = `import * as user from 'osiris:user'\nimport { bind } from 'osiris:bind'\nbind(user)`

export interface Compiled {
  /** Taken from the code that was given. */
  fromCache: boolean
  importsFunction: boolean
}

export interface ToLoad {
  blank: Blank
  settings: WireSettings
  code: string
  /** Compiled code of the same text, made by cache-maker.ts. */
  cached: Uint8Array | undefined
  /** Called before the module runs. */
  compiled: (how: Compiled) => void
}

/** Resolves when the module has run, or waits for something. Rejects with what it threw, as isolated-vm copied it out. */
export async function loadModule(load: ToLoad): Promise<void> {
  if (load.cached !== undefined && (await runCached(load, load.cached))) return
  const { blank, settings, code, compiled } = load
  const { isolate, context } = blank
  const options = { filename: `${settings.name}.js` }
  const isLong = code.length > CACHED_ARTIFACT_BYTES_MIN && !blank.isShared
  const user = isLong ? await isolate.compileModule(code, options) : isolate.compileModuleSync(code, options)
  refuseImports(user, settings.name)
  const entry = isolate.compileModuleSync(ENTRY, { filename: 'osiris:runtime' })
  entry.instantiateSync(context, (specifier) => moduleFor(specifier, blank, user))
  compiled({ fromCache: false, importsFunction: user.dependencySpecifiers.length > 0 })
  if (blank.isShared) entry.evaluateSync({ timeout: settings.loadMs })
  else await entry.evaluate({ timeout: settings.loadMs })
}

/** Whether it did; nothing of the user's has run otherwise. */
async function runCached({ blank, settings, code, compiled }: ToLoad, cached: Uint8Array): Promise<boolean> {
  const form = asScript(code)
  const script = form === undefined ? undefined : await compileCached(blank.isolate, settings.name, form.script, cached)
  if (form === undefined || script === undefined) return false
  compiled({ fromCache: true, importsFunction: form.imports.length > 0 })
  const timeout = settings.loadMs
  const make = await script.run(blank.context, { reference: true, release: true, timeout })
  await blank.entries.start.apply(undefined, [make.derefInto({ release: true }), JSON.stringify(form.imports)], { timeout })
  return true
}

/** Undefined when V8 does not take it: made by another V8, or with other flags. */
async function compileCached(isolate: ivm.Isolate, name: string, text: string, cached: Uint8Array): Promise<ivm.Script | undefined> {
  const cachedData = new ivm.ExternalCopy(new Uint8Array(cached).buffer)
  try {
    const script = await isolate.compileScript(text, { ...PLACE, filename: `${name}.js`, cachedData })
    if ((script as { cachedDataRejected?: boolean }).cachedDataRejected === false) return script
    script.release()
  } catch {
    // A text that is no script was never cached: somebody else's code. The module is compiled as ever.
  } finally {
    cachedData.release()
  }
  return undefined
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
