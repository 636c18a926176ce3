/** The doors between the rooms, proved: each rule is one function over all modules, and scripts/check/plants.ts holds a tree that breaks it. */
import { posix } from 'node:path'
import { cyclesOf } from './cycles.ts'
import { type Module, modulesOf, type ResolvedImport } from './modules.ts'
import { addressesOf, folderOf, isAt, isShipped, isTest, isUserFunction, refusal, roomOf } from './rooms.ts'
import { packageOf, type Tree, type Violation } from './tree.ts'

/** Longer files hold more than one thing. */
const LINES_MAX = 400

type Rule = (modules: Module[], tree: Tree) => Omit<Violation, 'rule'>[]

export const RULES: { [name: string]: Rule } = {
  door: eachImport((module, { leadsTo, target, kind, specifier }) => {
    if (leadsTo !== 'file') return undefined
    const why = refusal(module, { room: roomOf(target), test: isTest(target) }, kind)
    return why === undefined ? undefined : `imports "${specifier}": ${why}`
  }),

  escape: eachImport((module, { specifier }) => {
    if (!specifier.startsWith('.') || module.room === 'root') return undefined
    const target = posix.join(posix.dirname(module.path), specifier)
    // A suite or a fixture has no door: what ships would load the test runner through it.
    if (module.test && /\.(?:suite|fixture)\.ts$/.test(target)) return undefined
    return roomOf(target) === module.room ? undefined : `imports "${specifier}", out of its room: go through the door ("#…")`
  }),

  resolve: eachImport((_module, { leadsTo, target, specifier }) =>
    leadsTo === 'nowhere' ? `imports "${specifier}", which leads nowhere: ${target}` : undefined,
  ),

  address: eachImport((module, { leadsTo, target }) => {
    const addresses = leadsTo === 'package' ? addressesOf(target) : undefined
    if (addresses === undefined || isUserFunction(module.path) || addresses.some((each) => isAt(module.path, each))) return undefined
    return `imports ${target}, whose address is ${addresses.join(', ')}`
  }),

  undeclared: (modules, tree) => {
    const { dependencies, devDependencies } = packageOf(tree)
    return eachImport((module, { leadsTo, target }) => {
      if (leadsTo !== 'package') return undefined
      if (addressesOf(target) === undefined && !isUserFunction(module.path))
        return `imports ${target}, which has no address in scripts/check/rooms.ts`
      if (target in dependencies) return undefined
      if (!(target in devDependencies)) return `imports ${target}, which package.json does not declare`
      return isShipped(module.path) ? `imports ${target}, which is a devDependency only` : undefined
    })(modules, tree)
  },

  cycle: (modules) => {
    const files = (module: Module) => module.imports.filter((each) => each.leadsTo === 'file' && each.kind === 'value')
    const graph = new Map(modules.map((module) => [module.path, files(module).map((each) => each.target)]))
    return cyclesOf(graph).map((circle) => ({ path: circle[0]!, text: `imports itself: ${[...circle, circle[0]].join(' → ')}` }))
  },

  length: (modules) =>
    modules
      .filter((module) => module.lines > LINES_MAX && !isUserFunction(module.path))
      .map((module) => ({ path: module.path, text: `has ${module.lines} lines (at most ${LINES_MAX})` })),

  readme: (modules, tree) => {
    const folders = new Set(modules.flatMap((module) => folderOf(module.room) ?? []))
    return [...folders].filter((folder) => !tree.has(`${folder}/README.md`)).map((path) => ({ path, text: 'is a room without README.md' }))
  },
}

/** Every violation of every rule, in order of path. */
export function doors(tree: Tree): Violation[] {
  const modules = modulesOf(tree)
  const found = Object.entries(RULES).flatMap(([rule, apply]) => apply(modules, tree).map((each) => ({ rule, ...each })))
  return found.toSorted((a, b) => a.path.localeCompare(b.path) || (a.line ?? 0) - (b.line ?? 0))
}

function eachImport(judge: (module: Module, each: ResolvedImport) => string | undefined): Rule {
  return (modules) =>
    modules.flatMap((module) =>
      module.imports.flatMap((each) => {
        const text = judge(module, each)
        return text === undefined ? [] : [{ path: module.path, line: each.line, text }]
      }),
    )
}
