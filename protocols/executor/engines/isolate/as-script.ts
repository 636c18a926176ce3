/**
 * The built module as a script: V8 keeps compiled code of scripts only (isolated-vm takes no cached data for modules). Only the form the builder writes is
 * taken, and only text decides here; what text cannot decide (a top-level await, `arguments`, `return`) V8 does, by compiling `check` (cache-maker.ts).
 *
 * Code that closes the function early gains nothing: both forms run in the same context under the same time limit, and a script there can do what a
 * module can. It is the version's own artifact either way.
 */

export const FUNCTION_MODULE = 'osiris/function'
/** Where a script begins: the wrapper has the line before the first. */
export const PLACE = { lineOffset: -1 }

export interface ScriptForm {
  /** Its value is a strict function that takes `imports` and returns the module's exports as far as anybody reads them. Line 2 is line 1 of the module. */
  script: string
  /** Compiles where the module's top level has nothing that means something else in a function. Never run. */
  check: string
  /** Names of exports of `osiris/function`, in the order of the parameters. */
  imports: string[]
}

const NAME = String.raw`[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*`
const IMPORT = new RegExp(
  String.raw`import\s*\{\s*((?:${NAME})(?:\s+as\s+${NAME})?(?:\s*,\s*${NAME}(?:\s+as\s+${NAME})?)*)\s*\}\s*from\s*"osiris/function"`,
  'uy',
)
const EXPORT = new RegExp(
  String.raw`export\s*\{\s*(${NAME}(?:\s+as\s+${NAME})?(?:\s*,\s*${NAME}(?:\s+as\s+${NAME})?)*)\s*\}\s*;?\s*$`,
  'uy',
)
/** Comments in a script, operators in a module. */
const HTML_COMMENT = /<!--|(?:^|[\n\r\u2028\u2029]|\*\/)\s*-->/

/** Undefined for any other form. That the import is one, and no text in a string, only holds where V8 says that the module imports `osiris/function`. */
export function asScript(module: string): ScriptForm | undefined {
  if (HTML_COMMENT.test(module)) return undefined
  const exportAt = module.lastIndexOf('export')
  const exported = exportAt < 0 ? undefined : namesAt(EXPORT, module, exportAt)
  const local = exported?.names.find(([, as]) => as === 'default')?.[0]
  if (local === undefined) return undefined
  const imported = importIn(module)
  if (imported === undefined) return undefined
  const { at, length, names } = imported
  // An empty statement of the same length, so that every column stays.
  const rest =
    length === 0
      ? module.slice(0, exportAt)
      : `${module.slice(0, at)}${blank(module.slice(at, at + length))}${module.slice(at + length, exportAt)}`
  return {
    script: `(function(${names.map(([, as]) => as).join(',')}){'use strict';\n${rest}\nreturn{__proto__:null,default:${local}}})`,
    check: `(class{static{\n${rest}\n}})`,
    imports: names.map(([name]) => name),
  }
}

interface Found {
  at: number
  length: number
  names: [name: string, as: string][]
}

/** The one import, or none; undefined when it is of another form, or may be something else. */
function importIn(module: string): Found | undefined {
  const mention = module.indexOf(FUNCTION_MODULE)
  if (mention < 0) return { at: 0, length: 0, names: [] }
  if (module.includes(FUNCTION_MODULE, mention + 1)) return undefined
  return namesAt(IMPORT, module, module.lastIndexOf('import', mention))
}

function namesAt(form: RegExp, text: string, at: number): Found | undefined {
  form.lastIndex = Math.max(0, at)
  const found = form.exec(text)
  if (found === null) return undefined
  const names = (found[1] ?? '').split(',').map((each): [string, string] => {
    const [name = '', as = name] = each.trim().split(/\s+as\s+/)
    return [name, as]
  })
  return { at: form.lastIndex - found[0].length, length: found[0].length, names }
}

function blank(statement: string): string {
  return `;${statement.slice(1).replaceAll(/[^\n\r\u2028\u2029]/g, ' ')}`
}
