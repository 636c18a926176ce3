import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { createEvents } from '#protocols/events'
import { systemClock } from '#protocols/lifecycle'
import { collectSources } from './collect.ts'
import { BuilderService } from './service.ts'

const made: string[] = []
let root = ''
beforeEach(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), 'osiris-collect-')))
  made.push(root)
})
afterAll(() => Promise.all(made.map((each) => rm(each, { recursive: true, force: true }))))

async function write(files: Record<string, string>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), text)
  }
}

/** What a builder elsewhere makes of it, run here. */
async function runElsewhere(collected: { files: Record<string, string>; entry: string }): Promise<unknown> {
  const builder = new BuilderService({ clock: systemClock, events: createEvents(), workDir: join(root, '.work'), nodeName: 'node-1' })
  await builder.start()
  const built = await builder.build({ namespace: 'demo', name: 'greet', ...collected }, { caller: { subject: 'ada' }, timeoutMs: 10_000 })
  await builder.stop()
  const module = (await import(`data:text/javascript;base64,${Buffer.from(built.artifact).toString('base64')}`)) as {
    default: () => unknown
  }
  return module.default()
}

describe('collectSources()', () => {
  test('a file alone is one file, whatever lies around it', async () => {
    await write({
      'package.json': '{"name":"project"}',
      'tsconfig.json': '{}',
      'src/greet.ts': 'export default () => 1',
      'src/other.ts': '',
    })
    expect(await collectSources(join(root, 'src/greet.ts'))).toEqual({ files: { 'greet.ts': 'export default () => 1' }, entry: 'greet.ts' })
  })
  test('the tests beside the entry come along, and those of other files do not', async () => {
    await write({ 'src/greet.ts': 'export default () => 1', 'src/greet.test.ts': 'its test', 'src/other.test.ts': 'not its' })
    const { files } = await collectSources(join(root, 'src/greet.ts'))
    expect(files).toEqual({ 'greet.ts': 'export default () => 1', 'greet.test.ts': 'its test' })
  })
  test('own files keep their places relative to each other', async () => {
    await write({
      'package.json': '{}',
      'functions/greet.ts': "import { a } from '../lib/a.ts'\nimport data from './data.json'\nexport default () => [a, data]",
      'functions/data.json': '[1]',
      'lib/a.ts': "export * from './b'",
      'lib/b.ts': 'export const a = 1',
    })
    const collected = await collectSources(join(root, 'functions/greet.ts'))
    expect(Object.keys(collected.files).toSorted()).toEqual(['functions/data.json', 'functions/greet.ts', 'lib/a.ts', 'lib/b.ts'])
    expect(collected.entry).toBe('functions/greet.ts')
    expect(await runElsewhere(collected)).toEqual([1, [1]])
  })
  test('packages come with the files in use and what resolves them, and nothing else', async () => {
    await write({
      'package.json': '{"name":"project","scripts":{"x":"y"}}',
      'greet.ts':
        "import { a } from 'plain'\nimport deep from '@scope/exported/deep'\nimport hooks from 'plain/hooks'\nexport default () => [a, deep, hooks]",
      'node_modules/plain/package.json': '{"name":"plain","version":"1.0.0","main":"lib/index.js","scripts":{}}',
      'node_modules/plain/lib/index.js': "export const a = require('inner')",
      'node_modules/plain/lib/unused.js': '',
      'node_modules/plain/hooks/package.json': '{"main":"../lib/hooks.js"}',
      'node_modules/plain/lib/hooks.js': "module.exports = 'hooks'",
      'node_modules/inner/package.json': '{"name":"inner","version":"1.0.0"}',
      'node_modules/inner/index.js': "module.exports = 'outer inner'",
      'node_modules/@scope/exported/package.json':
        '{"name":"@scope/exported","exports":{"./deep":{"worker":"./w/deep.js","default":"./n/deep.js"}}}',
      'node_modules/@scope/exported/w/deep.js': "export { default } from 'inner'",
      'node_modules/@scope/exported/node_modules/inner/package.json': '{"name":"inner","version":"2.0.0"}',
      'node_modules/@scope/exported/node_modules/inner/index.js': "module.exports = 'nested inner'",
    })
    const collected = await collectSources(join(root, 'greet.ts'))
    expect(collected.files['node_modules/plain/package.json']).toBe('{"name":"plain","main":"lib/index.js"}\n')
    expect(Object.keys(collected.files)).not.toContain('node_modules/plain/lib/unused.js')
    expect(Object.keys(collected.files)).not.toContain('package.json')
    expect(await runElsewhere(collected)).toEqual(['outer inner', 'nested inner', 'hooks'])
  })
  test('linked packages (pnpm, workspaces) resolve again without their links', async () => {
    const store = 'node_modules/.pnpm'
    await write({
      'app/package.json': '{"name":"app"}',
      'app/greet.ts': "import a from 'a'\nimport shared from 'shared'\nexport default () => [a, shared]",
      [`app/${store}/a@1/node_modules/a/package.json`]: '{"name":"a"}',
      [`app/${store}/a@1/node_modules/a/index.js`]: "import b from 'b'\nexport default 'a with ' + b",
      [`app/${store}/b@1/node_modules/b/package.json`]: '{"name":"b"}',
      [`app/${store}/b@1/node_modules/b/index.js`]: "export default 'b1'",
      [`app/${store}/b@2/node_modules/b/package.json`]: '{"name":"b"}',
      [`app/${store}/b@2/node_modules/b/index.js`]: "export default 'b2'",
      'shared/package.json': '{"name":"shared","main":"src/index.ts"}',
      'shared/src/index.ts': "import { x } from './x'\nimport b from 'b'\nexport default x + ' with ' + b",
      'shared/src/x.ts': "export const x: string = 'shared'",
    })
    const link = async (target: string, at: string) => {
      await mkdir(dirname(join(root, at)), { recursive: true })
      await symlink(join(root, target), join(root, at))
    }
    await link(`app/${store}/a@1/node_modules/a`, 'app/node_modules/a')
    await link(`app/${store}/b@1/node_modules/b`, `app/${store}/a@1/node_modules/b`)
    await link(`app/${store}/b@2/node_modules/b`, 'shared/node_modules/b')
    await link('shared', 'app/node_modules/shared')
    const collected = await collectSources(join(root, 'app/greet.ts'))
    expect(collected.entry).toBe('greet.ts')
    expect(await runElsewhere(collected)).toEqual(['a with b1', 'shared with b2'])
  })
  test('the project’s settings come along where they matter', async () => {
    await write({
      'package.json': '{"name":"project","imports":{"#lib":"./src/lib.ts"},"scripts":{"x":"y"}}',
      'tsconfig.json': '{ // JSX\n "compilerOptions": { "jsx": "react", "jsxFactory": "h" } }',
      'src/lib.ts': 'export const h = (...all: unknown[]) => all.slice(0, 1)',
      'src/greet.tsx': "import { h } from '#lib'\nexport default () => <b>hi</b>",
    })
    const collected = await collectSources(join(root, 'src/greet.tsx'))
    expect(Object.keys(collected.files).toSorted()).toEqual(['package.json', 'src/greet.tsx', 'src/lib.ts', 'tsconfig.json'])
    expect(collected.files['package.json']).not.toContain('scripts')
    expect(await runElsewhere(collected)).toEqual(['b'])
  })
  test('a file that cannot be read, or be source, is invalid_argument', async () => {
    await write({ 'empty.ts': '', 'image.ts': '\0\u0001', 'text.txt': 'hello' })
    for (const name of ['nothing.ts', 'empty.ts', 'image.ts', 'text.txt'])
      await expect(collectSources(join(root, name))).rejects.toMatchObject({ code: 'invalid_argument' })
    await expect(collectSources(root)).rejects.toMatchObject({ code: 'invalid_argument' })
  })
  test('a fault in the source is told as a build tells it', async () => {
    await write({ 'package.json': '{}', 'src/greet.ts': "import './other.ts'\nexport default 1", 'src/other.ts': 'const a = (' })
    await expect(collectSources(join(root, 'src/greet.ts'))).rejects.toMatchObject({
      code: 'build_failed',
      message: expect.stringMatching(/src\/other\.ts:1:12: Unexpected end of file\n> 1 \| const a = \(/),
    })
  })
})
