/** The checks that are other people's programs. Each also runs over a small folder that it must refuse: a linter that lost its type information, or a pattern that matches no file, passes everything. */
import { spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, open, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'

interface Tool {
  command: string[]
  /** A folder in miniature that is wrong in one way. */
  planted: { [path: string]: string }
  /** What the tool must say of it. */
  caught: RegExp
}

export const TOOLS: { [name: string]: Tool } = {
  types: {
    command: ['tsc', '-p', '.'],
    planted: { 'node/planted.ts': "export const count: number = 'many'\n" },
    caught: /planted\.ts.*TS2322/,
  },
  lint: {
    command: ['oxlint', '--type-aware', '--deny-warnings'],
    planted: { 'node/planted.ts': 'const later = async () => 1\nlater()\nexport {}\n' },
    caught: /no-floating-promises/,
  },
  format: {
    command: ['oxfmt', '--check', '.'],
    planted: { 'node/planted.ts': 'export const name = "double quotes";\n' },
    caught: /planted\.ts/,
  },
  dead: {
    command: ['knip', '--no-progress'],
    planted: {
      'node/cli/main.ts': "import './used.ts'\n",
      'node/cli/used.ts': 'export const unused = 1\n',
      'node/planted.ts': 'export {}\n',
      'package.json': JSON.stringify({ name: 'planted', type: 'module', dependencies: { hono: '4.13.19' } }),
    },
    caught: /Unused files[\s\S]*node\/planted\.ts[\s\S]*Unused dependencies[\s\S]*hono[\s\S]*Unused exports[\s\S]*unused/,
  },
}

const CONFIGURATION = ['package.json', 'tsconfig.json', 'vitest.config.ts', 'knip.json', '.oxlintrc.json', '.oxfmtrc.json']

/** What the tool says against the checkout; nothing when it is content, and content for a reason. */
export async function judge(tool: Tool, root: string): Promise<string[]> {
  const real = await run(tool.command, root, root)
  const planted = await inMiniature(tool, root, (folder) => run(tool.command, folder, root))
  const failures = real.ok ? [] : [real.output]
  if (!planted.ok && tool.caught.test(planted.output)) return failures
  return [...failures, `${tool.command.join(' ')} did not catch what was planted for it. It said:\n${planted.output}`]
}

async function inMiniature<T>(tool: Tool, root: string, use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'osiris-check-'))
  try {
    await Promise.all(CONFIGURATION.map((name) => cp(join(root, name), join(folder, name))))
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
    // Without the trailing slash of ours: a link is no folder, and the linter would walk through it.
    await writeFile(join(folder, '.gitignore'), 'node_modules\n')
    for (const [path, text] of Object.entries(tool.planted)) {
      await mkdir(dirname(join(folder, path)), { recursive: true })
      await writeFile(join(folder, path), text)
    }
    return await use(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Runs a tool of the checkout at `root` in `folder`. It writes to a file: a linter that fills a pipe faster than it is read ends in a panic. */
async function run(command: string[], folder: string, root: string): Promise<{ ok: boolean; output: string }> {
  const [name = '', ...args] = command
  const bin = join(root, 'node_modules', '.bin')
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}`, NO_COLOR: '1' }
  const place = await mkdtemp(join(tmpdir(), 'osiris-check-'))
  const file = await open(join(place, 'output'), 'a+')
  try {
    const { promise, resolve } = Promise.withResolvers<{ ok: boolean; trouble: string }>()
    const child = spawn(join(bin, name), args, { cwd: folder, env, stdio: ['ignore', file.fd, file.fd] })
    child.on('error', (error) => resolve({ ok: false, trouble: `Cannot run ${name}: ${error.message}` }))
    child.on('close', (code) => resolve({ ok: code === 0, trouble: '' }))
    const { ok, trouble } = await promise
    return { ok, output: trouble + (await readFile(join(place, 'output'), 'utf8')).trim() }
  } finally {
    await file.close()
    await rm(place, { recursive: true, force: true })
  }
}
