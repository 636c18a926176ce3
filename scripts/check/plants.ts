/** A small house in order, and for each rule what breaks it: a check that passes these has gone blind. */
import type { Tree } from './tree.ts'

const README = '# A room\n'

const HOUSE: { [path: string]: string } = {
  'package.json': JSON.stringify({
    name: 'osiris',
    imports: {
      '#protocols/errors': './protocols/errors.ts',
      '#protocols/*': './protocols/*/index.ts',
      '#node/*': './node/*/index.ts',
      '#sdk': './sdk/index.ts',
    },
    exports: { './function': './sdk/function.ts' },
    dependencies: { libp2p: '3.3.11', 'isolated-vm': '7.0.1', leftpad: '1.0.0' },
    devDependencies: { vitest: '5.1.1', 'core-js': '3.51.0' },
  }),
  'protocols/errors.ts': 'export class OsirisError extends Error {}\n',
  'protocols/network/README.md': README,
  'protocols/network/index.ts': "export * from './network.ts'\n",
  'protocols/network/network.ts': "import { createLibp2p } from 'libp2p'\nimport { OsirisError } from '#protocols/errors'\n",
  'protocols/catalog/README.md': README,
  'protocols/catalog/index.ts': "export * from './service.ts'\nexport type { Catalog } from './catalog.ts'\n",
  'protocols/catalog/catalog.ts': 'export interface Catalog {}\n',
  'protocols/catalog/service.ts': "import type { Catalog } from './catalog.ts'\nimport { Network } from '#protocols/network'\n",
  'protocols/catalog/catalog.suite.ts': "import { it } from 'vitest'\n",
  'protocols/executor/README.md': README,
  'protocols/executor/index.ts': "import type { Catalog } from '#protocols/catalog'\n",
  'protocols/executor/engines/isolate/index.ts': "import ivm from 'isolated-vm'\nimport { OsirisError } from '#protocols/errors'\n",
  'node/components.ts': "import { CatalogService } from '#protocols/catalog'\nimport { Server } from '#node/http'\n",
  'node/http/README.md': README,
  'node/http/index.ts': "import { OsirisError } from '#protocols/errors'\n",
  'node/cli/README.md': README,
  'node/cli/index.ts': "import { connect } from '#sdk'\n",
  'sdk/README.md': README,
  'sdk/index.ts': "import { Network } from '#protocols/network'\n",
  'sdk/function.ts': 'export const call = 1\n',
  'console/README.md': README,
  'console/app.ts': "import { connect } from '#sdk'\n",
  'fixtures/README.md': README,
  'fixtures/index.ts': "import { connect } from '#sdk'\n",
  'fixtures/functions/greet.ts': "import { call } from 'osiris/function'\n",
  'scripts/README.md': README,
  'scripts/chore.ts': "import { Server } from '#node/http'\n",
}

export const house: Tree = new Map(Object.entries(HOUSE))

export interface Plant {
  name: string
  /** The one rule that must catch it. */
  rule: string
  /** Laid over the house; `undefined` removes a file. */
  files: { [path: string]: string | undefined }
}

export function planted(plant: Plant): Tree {
  const files = Object.entries({ ...HOUSE, ...plant.files })
  return new Map(files.filter((file): file is [string, string] => file[1] !== undefined))
}

const door = (path: string, text: string, name: string): Plant => ({ name, rule: 'door', files: { [path]: text } })
const address = (path: string, text: string, name: string): Plant => ({ name, rule: 'address', files: { [path]: text } })
const undeclared = (path: string, text: string, name: string): Plant => ({ name, rule: 'undeclared', files: { [path]: text } })
const nowhere = (text: string, name: string): Plant => ({ name, rule: 'resolve', files: { 'node/http/a.ts': text } })

export const PLANTS: Plant[] = [
  door('protocols/catalog/a.ts', "import type { Executor } from '#protocols/executor'", 'the catalog knows the executor'),
  door('protocols/network/a.ts', "import type { Catalog } from '#protocols/catalog'", 'the network knows a role'),
  door('protocols/executor/a.ts', "import { CatalogService } from '#protocols/catalog'", 'a role builds another role'),
  door('protocols/executor/a.ts', "import { type Catalog } from '#protocols/catalog'", 'a role loads another role for a type'),
  door('protocols/executor/a.ts', "const it = await import('#protocols/catalog')", 'a role loads another role late'),
  door('protocols/a.ts', "import type { Network } from '#protocols/network'", 'a word knows a room'),
  door('protocols/strange/index.ts', "import type { Catalog } from '#protocols/catalog'", 'a room that is not in the plan'),
  door('protocols/network/a.ts', "import type { Server } from '#node/http'", 'protocols know the node'),
  door('protocols/network/a.ts', "import type { Osiris } from '#sdk'", 'protocols know the sdk'),
  door('protocols/network/a.test.ts', "import { Server } from '#node/http'", 'a test of protocols uses the node'),
  door('sdk/a.ts', "import type { Server } from '#node/http'", 'the sdk knows the node'),
  door('console/a.ts', "import type { OsirisError } from '#protocols/errors'", 'the console goes past the sdk'),
  door('node/cli/a.ts', "import { CatalogService } from '#protocols/catalog'", 'the command line goes past the sdk'),
  door('node/http/a.ts', "import { run } from '#node/cli'", 'the node knows the command line'),
  door('node/http/a.ts', "import { connect } from '#sdk'", 'the node knows the sdk'),
  door('node/http/a.ts', "import { universe } from '../../fixtures/index.ts'", 'the node uses a fixture'),
  door('node/http/a.ts', "import '../../scripts/chore.ts'", 'the node uses a chore'),
  door('protocols/catalog/a.ts', "import './catalog.suite.ts'", 'what ships loads a suite'),
  { name: 'a way out of a room', rule: 'escape', files: { 'node/http/a.ts': "import '../components.ts'" } },
  {
    name: 'a way around a door',
    rule: 'escape',
    files: { 'protocols/executor/a.ts': "import type { Catalog } from '../catalog/catalog.ts'" },
  },
  nowhere("import '#protocols/network/network'", 'a deep import'),
  nowhere("import '#protocols/executor/engines/isolate'", 'a deep import that Node would let through'),
  nowhere("import '#anything'", 'an import without a key'),
  nowhere("import './missing.ts'", 'a file that is not there'),
  nowhere("import 'osiris/inside'", 'a way into the package that is not exported'),
  nowhere("import 'fs'", 'a module of Node without its prefix'),
  address('node/http/a.ts', "import { createLibp2p } from 'libp2p'", 'libp2p outside the network'),
  address('protocols/executor/a.ts', "import type ivm from 'isolated-vm'", 'isolated-vm outside its engine'),
  undeclared('protocols/network/a.ts', "import { noise } from '@libp2p/noise'", 'a package nobody declared'),
  undeclared('node/http/a.ts', "import leftpad from 'leftpad'", 'a package without an address'),
  undeclared('protocols/executor/engines/isolate/a.ts', "import 'core-js/stable'", 'a package that is not installed with ours'),
  {
    name: 'a circle of three',
    rule: 'cycle',
    files: { 'sdk/a.ts': "import './b.ts'", 'sdk/b.ts': "export * from './c.ts'", 'sdk/c.ts': "import('./a.ts')" },
  },
  { name: 'a file that imports itself', rule: 'cycle', files: { 'sdk/a.ts': "import './a.ts'" } },
  { name: 'a file of 401 lines', rule: 'length', files: { 'sdk/a.ts': '//\n'.repeat(401) } },
  { name: 'a room without README.md', rule: 'readme', files: { 'node/http/README.md': undefined } },
]
