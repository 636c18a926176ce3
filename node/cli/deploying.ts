/** A path on the command line → what to deploy. */
import { readFile, stat } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import { PROJECT_FILE, readProject } from '#node/config'
import { OsirisError } from '#protocols/errors'
import { assertName } from '#protocols/function'
import type { FunctionConfig } from '#protocols/manifest'

export const DEFAULT_NAMESPACE = 'default'

export interface Planned {
  namespace: string
  name: string
  entryPath: string
  config: FunctionConfig | undefined
}

export interface DeployWords {
  namespace?: string
  /** Of a file: its name; of a folder: the one function to deploy. */
  name?: string
}

/** Throws `invalid_argument` or `not_found`, before anything is sent. */
export async function planDeploy(path: string, words: DeployWords): Promise<Planned[]> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    const missing = error.code === 'ENOENT' || error.code === 'ENOTDIR'
    throw new OsirisError('invalid_argument', `Cannot deploy ${path}: ${missing ? 'there is no such file or folder' : error.message}`, {
      cause: error,
    })
  })
  if (found.isDirectory()) return fromFolder(path, words)
  // A device or a pipe may have no end.
  if (!found.isFile()) throw new OsirisError('invalid_argument', `Cannot deploy ${path}: it is neither a file nor a folder`)
  if (basename(path) === PROJECT_FILE) return fromFolder(join(path, '..'), words)
  return [fromFile(path, words)]
}

function fromFile(path: string, words: DeployWords): Planned {
  const name = words.name ?? basename(path, extname(path))
  const namespace = words.namespace ?? DEFAULT_NAMESPACE
  assertName(namespace, 'a namespace')
  assertName(name, words.name === undefined ? 'a function name (the name of the file; --name gives another)' : 'a function name')
  return { namespace, name, entryPath: path, config: undefined }
}

async function fromFolder(folder: string, words: DeployWords): Promise<Planned[]> {
  const file = join(folder, PROJECT_FILE)
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    const reason = error.code === 'ENOENT' ? `it holds no ${PROJECT_FILE}` : error.message
    throw new OsirisError('invalid_argument', `Cannot deploy the folder ${folder}: ${reason}`, { cause: error })
  })
  const project = await readProject(text, file)
  const namespace = words.namespace ?? project.namespace ?? DEFAULT_NAMESPACE
  assertName(namespace, 'a namespace')
  const wanted = project.functions.filter((each) => words.name === undefined || each.name === words.name)
  if (wanted.length === 0) {
    const state = words.name === undefined ? 'it describes no functions' : `it describes no function "${words.name}"`
    throw new OsirisError(words.name === undefined ? 'invalid_argument' : 'not_found', `Cannot deploy ${file}: ${state}`)
  }
  return wanted.map((each) => ({ namespace, name: each.name, entryPath: join(folder, each.source), config: each.config }))
}
