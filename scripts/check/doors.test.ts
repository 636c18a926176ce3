import { describe, expect, it } from 'vitest'
import { cyclesOf } from './cycles.ts'
import { doors, RULES } from './doors.ts'
import { house, planted, PLANTS } from './plants.ts'

it('doors() finds nothing in a house in order', () => expect(doors(house)).toEqual([]))

it.each(PLANTS.map((plant) => [plant.name, plant] as const))('doors() catches %s', (_name, plant) => {
  const rules = doors(planted(plant)).map((each) => each.rule)
  expect(rules).toContain(plant.rule)
})

it('every rule has a plant', () => {
  expect(new Set(PLANTS.map((plant) => plant.rule))).toEqual(new Set(Object.keys(RULES)))
})

it('a violation names its file, its line and the way out', () => {
  const tree = new Map(house).set('node/http/a.ts', "\nimport '../components.ts'\n")
  expect(doors(tree)).toEqual([
    { rule: 'escape', path: 'node/http/a.ts', line: 2, text: 'imports "../components.ts", out of its room: go through the door ("#…")' },
  ])
})

describe('doors() allows', () => {
  it.each([
    ['a test that puts roles together', 'protocols/executor/a.test.ts', "import { CatalogService } from '#protocols/catalog'"],
    ['a test that runs a suite of another room', 'node/http/a.test.ts', "import { suite } from '../../protocols/catalog/catalog.suite.ts'"],
    ['a function that is broken on purpose', 'fixtures/functions/broken/a.ts', "import 'nothing'\nimport './nothing.ts'"],
    ['what is bundled before it ships', 'protocols/executor/engines/isolate/runtime/a.ts', "import 'core-js/stable'"],
    ['types in a circle', 'protocols/catalog/catalog.ts', "import type { S } from './service.ts'"],
    ['a generated file that is not there yet', 'protocols/executor/a.ts', "import source from './runtime.generated.js'"],
    ['a script that knows everything', 'scripts/a.ts', "import '#protocols/catalog'\nimport '#node/cli'\nimport '#sdk'"],
    ['a builtin', 'console/a.ts', "import 'node:test'"],
  ])('%s', (_name, path, text) => expect(doors(new Map(house).set(path, text))).toEqual([]))
})

it('cyclesOf() reports each knot once, by its shortest circle', () => {
  const graph = new Map([
    ['a', ['b']],
    ['b', ['c', 'a']],
    ['c', ['a']],
    ['d', ['e', 'a']],
    ['e', ['d']],
    ['f', ['a']],
  ])
  expect(cyclesOf(graph)).toEqual([
    ['a', 'b'],
    ['c', 'a', 'b'],
    ['d', 'e'],
  ])
})
