import { expect, it } from 'vitest'
import { map } from './map.ts'
import { house } from './plants.ts'

const FOLDERS = [
  'protocols/network',
  'protocols/catalog',
  'protocols/executor',
  'node/http',
  'node/cli',
  'sdk',
  'console',
  'fixtures',
  'scripts',
]
const table = [
  '# Osiris',
  '## The map of the rooms',
  '| room | what |',
  ...FOLDERS.map((folder) => `| [\`${folder}/\`](${folder}/README.md) | a room |`),
  '## Next',
]
const drawing = `# Osiris
## The map
\`\`\`
# not a heading
protocols/     how nodes speak
  errors.ts    words
  network/     the mesh
  catalog/
  executor/    running
node/
  http/
  cli/
sdk/
console/
fixtures/      situations
scripts/
\`\`\`
## Elsewhere
\`nothing/here/\`
`
const judge = (readme: string) => map(new Map(house).set('README.md', readme)).map((each) => each.text)

it('map() finds nothing in a README that names every room, as a table or as a drawing', () => {
  expect(judge(table.join('\n'))).toEqual([])
  expect(judge(drawing)).toEqual([])
})

it('map() misses a room that is not named', () => {
  expect(judge(table.filter((line) => !line.includes('node/http')).join('\n'))).toEqual(['the map lacks node/http/'])
  expect(judge(drawing.replace('  http/\n', ''))).toEqual(['the map lacks node/http/'])
})

it('map() finds a folder that is not there', () => {
  expect(judge(drawing.replace('  http/\n', '  http/\n  smtp/\n'))).toEqual(['the map has node/smtp/, which is not there'])
  expect(judge(table.join('\n').replace('## Next', '| `node/smtp` | mail |\n## Next'))).toEqual([
    'the map has node/smtp/, which is not there',
  ])
})

it('map() finds a link that leads nowhere', () => {
  const page = `${drawing}[a](sdk/README.md#calls) [b](sdk) [c](#here) [d](https://example.org/x) [e](sdk/MISSING.md)`
  expect(judge(page)).toEqual(['links to sdk/MISSING.md, where nothing is'])
})

it('map() finds a README without a map', () => {
  expect(judge('# Osiris')).toHaveLength(1)
})

it('map() finds a target of package.json where nothing is', () => {
  const manifest = {
    name: 'osiris',
    imports: { '#a/*': './a/*/index.ts', '#sdk': './sdk/index.ts' },
    exports: { '.': './index.ts' },
    bin: { osiris: './bin.js' },
  }
  const tree = new Map(house).set('README.md', drawing).set('package.json', JSON.stringify(manifest))
  expect(map(tree).map((each) => each.text)).toEqual([
    '"imports" leads "#a/*" to ./a/*/index.ts, where nothing is',
    '"exports" leads "." to ./index.ts, where nothing is',
    '"bin" leads "osiris" to ./bin.js, where nothing is',
  ])
})
