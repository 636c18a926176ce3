import { readFile } from 'node:fs/promises'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { OsirisError } from '#protocols/errors'
import { parseProject } from './project.ts'

const problems = (text: string): string[] => {
  try {
    parseProject(text, 'osiris.yaml')
  } catch (error) {
    if (error instanceof OsirisError && error.code === 'invalid_argument') return error.message.split('\n')
    throw error
  }
  return []
}
const greet = (lines: string) => `namespace: demo\nfunctions:\n  greet:\n    source: ./greet.ts\n${lines}`

describe('a wrong osiris.yaml is refused with file, line, column, key and one sentence', () => {
  const cases: [what: string, text: string, expected: string][] = [
    [
      'a duration that is none',
      greet('    execution:\n      timeout: soon\n'),
      'osiris.yaml:6:16: functions.greet.execution.timeout: expected a duration such as 250ms, 10s or 5m',
    ],
    [
      'a duration out of bounds',
      greet('    execution: { timeout: 1h }\n'),
      'osiris.yaml:5:27: functions.greet.execution.timeout: must be between 1 and 900000 (got 3600000)',
    ],
    [
      'a duration of another kind',
      greet('    execution: { timeout: [1] }\n'),
      'osiris.yaml:5:27: functions.greet.execution.timeout: expected a number or a text',
    ],
    [
      'an unknown key with a near one',
      greet('    exection: {}\n'),
      'osiris.yaml:5:5: functions.greet.exection: unknown key; did you mean "execution"?',
    ],
    [
      'a topic that cannot be read',
      'functions:\n  greet:\n    source: ./greet.ts\n    subscribe: ["orders.*", { topic: a..b }]\n',
      'osiris.yaml:4:38: functions.greet.subscribe.1.topic: Cannot read "a..b" as a pattern: a topic is 1 to 16 labels (a-z, 0-9, "-", "_"; at most 63 characters each), separated by dots, at most 255 characters; a label may be "*", the last one "**"',
    ],
    [
      'a schedule that cannot be read',
      greet('    schedule: "61 * * * *"\n'),
      'osiris.yaml:5:15: functions.greet.schedule: Cannot read "61 * * * *" as a schedule: Invalid value for minute: 61',
    ],
    [
      'a schedule in a time zone that is none',
      greet('    schedule: { cron: "@daily", timezone: Mars }\n'),
      'osiris.yaml:5:15: functions.greet.schedule: Cannot read "@daily" as a schedule: "Mars" is no time zone',
    ],
    [
      'an unknown key inside',
      greet('    execution:\n      timeot: 1s\n'),
      'osiris.yaml:6:7: functions.greet.execution.timeot: unknown key; did you mean "timeout"?',
    ],
    ['an unknown key at the top', 'name: x\nfunctions: {}\n', 'osiris.yaml:1:1: name: unknown key; known keys are namespace, functions'],
    ['no source', 'functions:\n  greet:\n    routes: []\n', 'osiris.yaml:2:3: functions.greet.source: is required'],
    ['a function without settings', 'functions:\n  greet:\n', 'osiris.yaml:2:9: functions.greet: expected keys and values, found nothing'],
    [
      'a source outside',
      'functions:\n  greet:\n    source: ../secret.ts\n',
      'osiris.yaml:3:13: functions.greet.source: expected a path inside the folder of osiris.yaml',
    ],
    [
      'a bad function name',
      'functions:\n  Greet:\n    source: ./a.ts\n',
      'osiris.yaml:2:3: functions.Greet: names are a lower-case letter, then up to 62 of a-z, 0-9 and "-", not "-" at the end nor "xn--" at the beginning',
    ],
    ['a bad namespace', 'namespace: 7\nfunctions: {}\n', 'osiris.yaml:1:12: namespace: expected a text, found a number'],
    [
      'a bad route',
      greet('    routes: ["GET greet"]\n'),
      'osiris.yaml:5:14: functions.greet.routes.0: expected "[METHOD[,METHOD]] [host]/path"',
    ],
    ['routes that are no list', greet('    routes: GET /x\n'), 'osiris.yaml:5:13: functions.greet.routes: expected a list, found a text'],
    [
      'an engine not there',
      greet('    execution: { engine: wasm }\n'),
      'osiris.yaml:5:26: functions.greet.execution.engine: expected "isolate"',
    ],
    [
      'too little',
      greet('    execution: { concurrency: 0 }\n'),
      'osiris.yaml:5:31: functions.greet.execution.concurrency: must be at least 1',
    ],
    [
      'an environment name',
      greet('    env: { "A B": x }\n'),
      'osiris.yaml:5:12: functions.greet.env.A B: an environment name is letters, digits and "_"',
    ],
    [
      'an environment value that is no text',
      greet('    env: { DEBUG: true }\n'),
      'osiris.yaml:5:19: functions.greet.env.DEBUG: expected a text, found true or false',
    ],
    ['an access that is none', greet('    access: everyone\n'), 'osiris.yaml:5:13: functions.greet.access: expected "public", "token"'],
    ['an empty file', '', 'osiris.yaml:1:1: the file is empty; it needs "functions:"'],
    ['a list at the top', '- a\n', 'osiris.yaml:1:1: expected keys and values, found a list'],
    ['no functions', 'namespace: demo\n', 'osiris.yaml:1:1: functions: is required'],
    ['binary bytes', 'a\0b', 'osiris.yaml:1:1: the file is binary, not YAML'],
  ]
  it.each(cases)('%s', (_what, text, expected) => {
    expect(problems(text)).toEqual([expected])
  })

  it('broken YAML names the place', () => {
    expect(problems('functions:\n  greet: [1\n')[0]).toMatch(/^osiris\.yaml:\d+:\d+: /)
    expect(problems('functions: {}\nfunctions: {}\n')[0]).toMatch(/^osiris\.yaml:2:1: Map keys must be unique/)
    expect(problems('a: &a [1]\nb: *c\n')[0]).toMatch(/^osiris\.yaml:2:4: /)
  })

  it('every fault has its own line', () => {
    expect(problems(greet('    access: 1\n    schedule: 2\n'))).toHaveLength(2)
  })

  it('a bomb of aliases is refused', () => {
    const bomb = [
      'a: &a [x,x,x,x,x,x,x,x,x,x]',
      ...'bcdefgh'.split('').map((key, at) => `${key}: &${key} [${Array(10).fill(`*${'abcdefgh'[at]}`).join(',')}]`),
    ].join('\n')
    expect(problems(bomb)[0]).toMatch(/alias/i)
  })

  it('a place below an alias is found', () => {
    expect(problems('functions:\n  a: &x\n    source: ./a.ts\n    access: 1\n  b: *x\n').at(-1)).toMatch(
      /^osiris\.yaml:\d+:\d+: functions\.b\.access: /,
    )
  })
})

it('the file of DESIGN 4.1 is taken whole, and the settings leave as they were written', () => {
  const project = parseProject(
    greet(
      `    routes: ["GET /greet/:name", "shop.example.org/*"]
    execution: { engine: isolate, timeout: 10s, cpu: 1s, memory: 64MB, concurrency: 50, payload: 1MB }
    scale: { min: 0, max: 20, target: 10, idle: 5m }
    env: { GREETING: hello }
    secrets: [API_KEY]
    egress: ["https://api.example.org"]
    calls: ["demo/*"]
    schedule: "*/5 * * * *"
    subscribe: ["orders.*"]
    access: public
`,
    ),
    'osiris.yaml',
  )
  expect(project.namespace).toBe('demo')
  expect(project.functions).toMatchObject([
    { name: 'greet', source: './greet.ts', config: { execution: { timeout: '10s' }, access: 'public' } },
  ])
  expect(project.functions[0]?.config).not.toHaveProperty('source')
})

it('the functions of the fixtures are described without fault', async () => {
  const text = await readFile(new URL('../../fixtures/functions/osiris.yaml', import.meta.url), 'utf8')
  expect(parseProject(text, 'osiris.yaml').functions.map((each) => each.name)).toContain('greet')
})

it('any text is either a project or a refusal with a place', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom('a', ':', ' ', '\n', '-', '{', '}', '[', ']', '&', '*', '"', '#') })),
      (text) => {
        for (const problem of problems(text)) expect(problem).toMatch(/^osiris\.yaml:\d+:\d+: /)
      },
    ),
    { numRuns: 500 },
  )
})
