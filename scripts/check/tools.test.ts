import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { judge } from './tools.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
/** Content with a folder unless its text has what it looks for; says so like a tool does. */
const searching = (text: string) => [
  'node',
  '-e',
  `const { existsSync, readFileSync } = require('node:fs')
   const path = 'node/planted.ts'
   if (existsSync(path) && readFileSync(path, 'utf8').includes('${text}')) { console.error(path + ' is wrong'); process.exit(1) }`,
]
const planted = { 'node/planted.ts': 'export const wrong = 1\n' }

it('judge() has nothing to say of a tool that is content with us and refuses what was planted', async () => {
  expect(await judge({ command: searching('wrong'), planted, caught: /planted\.ts is wrong/ }, root)).toEqual([])
})

it('judge() fails a tool that has gone blind', async () => {
  expect(await judge({ command: searching('something else'), planted, caught: /planted\.ts is wrong/ }, root)).toEqual([
    expect.stringContaining('did not catch'),
  ])
})

it('judge() fails a tool that refuses for another reason, and shows what it says of us', async () => {
  const failures = await judge(
    { command: ['node', '-e', 'console.log("out of order"); process.exit(1)'], planted, caught: /is wrong/ },
    root,
  )
  expect(failures).toEqual(['out of order', expect.stringContaining('did not catch')])
})

it('judge() fails a tool that is not there', async () => {
  const failures = await judge({ command: ['no-such-tool'], planted, caught: /./ }, root)
  expect(failures[0]).toContain('Cannot run no-such-tool')
})
