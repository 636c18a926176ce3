import { readFileSync } from 'node:fs'
import ivm from 'isolated-vm'
import { expect, it } from 'vitest'
import { makeSnapshot } from './blank.ts'
import { asScript, PLACE } from './as-script.ts'
import { openContext } from './context.ts'
import { wireError } from './host-error.ts'
import { type Compiled, loadModule } from './load.ts'

const snapshot = makeSnapshot(readFileSync(new URL('runtime.generated.js', import.meta.url), 'utf8'))
const settings = { name: 'f', env: {}, resultBytesMax: 1e6, parameters: [], loadMs: 200, cpuMs: 1000, logBytesMax: 1e5, timersMax: 10 }

async function load(code: string, cached?: Uint8Array): Promise<{ how: Compiled[]; error: unknown }> {
  const isolate = new ivm.Isolate({ memoryLimit: 64, snapshot })
  const opened = openContext(isolate, await isolate.createContext(), () => '0'.repeat(512))
  const blank = { ...opened, isShared: false, release: () => isolate.dispose() }
  blank.entries.configure.applySync(undefined, [JSON.stringify(settings)])
  const how: Compiled[] = []
  try {
    await loadModule({ blank, settings, code, cached, compiled: (each) => void how.push(each) })
    return { how, error: undefined }
  } catch (error) {
    return { how, error: wireError(error) }
  } finally {
    isolate.dispose()
  }
}

function compiled(code: string): Uint8Array {
  const isolate = new ivm.Isolate({ memoryLimit: 64, snapshot })
  const made = isolate.compileScriptSync(asScript(code)?.script ?? '', { ...PLACE, produceCachedData: true }) as ivm.CachedDataResult
  return new Uint8Array(made.cachedData?.copy() ?? new ArrayBuffer())
}

it.each([
  ['runs', 'var main = () => 1'],
  ['throws', 'function fails() {\n  throw new TypeError("at the start")\n}\nfails()\nvar main = 1'],
  ['throws what is no error', 'throw { a: 1 }; var main'],
  ['never ends', 'for (;;); var main'],
])('a module that %s does the same from compiled code', async (_, body) => {
  const code = `import { log } from "osiris/function";\n${body}\nexport { main as default };\n`
  const [asModule, fromCache] = [await load(code), await load(code, compiled(code))]
  expect(fromCache.error).toEqual(asModule.error)
  expect([...asModule.how, ...fromCache.how]).toEqual([
    { fromCache: false, importsFunction: true },
    { fromCache: true, importsFunction: true },
  ])
})

it('code that V8 does not take, or of another text, is not used, and the module runs once', async () => {
  const code = 'var main = () => 1\nexport { main as default };\n'
  for (const cached of [new Uint8Array(100), compiled(`${code.slice(0, 3)} ${code.slice(3)}`)])
    expect(await load(code, cached)).toEqual({ how: [{ fromCache: false, importsFunction: false }], error: undefined })
})
