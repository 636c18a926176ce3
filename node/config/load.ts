/** Flags over environment over file over defaults. */
import { readFile } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import { OsirisError } from '#protocols/errors'
import { type ConfigKey, configKeys, defaultConfigFile, type HostFacts, hostFacts } from './keys.ts'
import type { NodeConfig, TlsConfig } from './node-config.ts'
import type { Env } from './paths.ts'

export interface ConfigSources {
  /** By key, as commander gives them; `undefined` is "not given". */
  flags: Record<string, unknown>
  env: Env
  /** `--config`; absent: `OSIRIS_CONFIG`, else `$XDG_CONFIG_HOME/osiris/node.yaml` where it exists. */
  file?: string
  /** Reads one file; injected by tests. Rejects with `code: 'ENOENT'` where there is none. */
  read?: (path: string) => Promise<string>
  host?: HostFacts
}

interface Found {
  value: unknown
  /** What the error names: `--http-port`, `OSIRIS_HTTP_PORT`, `node.yaml:3:11: httpPort`. */
  where: string
}

/** Throws `invalid_argument`; one line per fault, each naming the flag, the variable, or file, line, column and key. */
export async function loadNodeConfig(sources: ConfigSources): Promise<NodeConfig> {
  const { nodeConfigSchema } = await import('./schema.ts')
  const { sentenceOf } = await import('./sentence.ts')
  const file = await readConfigFile(sources)
  const host = sources.host ?? hostFacts(sources.env)
  const problems: string[] = []
  const values: Record<string, unknown> = {}
  for (const key of configKeys) {
    const found = find(key, sources, file, host)
    if (found === undefined) continue
    const result = nodeConfigSchema.shape[key.key as keyof typeof nodeConfigSchema.shape].safeParse(found.value, { reportInput: true })
    if (result.success) values[key.key] = result.data
    else problems.push(`${found.where}: ${sentenceOf(result.error.issues[0])}`)
  }
  if (problems.length > 0) throw new OsirisError('invalid_argument', problems.join('\n'))
  return settle(values)
}

async function settle(values: Record<string, unknown>): Promise<NodeConfig> {
  const { nodeConfigSchema } = await import('./schema.ts')
  const { isJoinToken, parseJoinToken } = await import('#protocols/access')
  const { executorLimits } = await import('./limits.ts')
  const raw = nodeConfigSchema.parse(values)
  const join = raw.universeKey === undefined ? raw.join : [...raw.join, raw.universeKey]
  const tokens = join.filter(isJoinToken).map(parseJoinToken)
  const {
    data,
    state,
    universeKey: _key,
    drainTimeout,
    bodyTimeout,
    artifactCache,
    tlsCert,
    tlsKey,
    httpsPort,
    acme,
    acmeEmail,
    ...rest
  } = raw
  return {
    ...rest,
    limits: executorLimits(raw.limits ?? {}),
    join,
    dataDir: resolve(data),
    stateDir: resolve(state),
    developerToken: raw.developerToken ?? (raw.developer ? tokens.find((each) => each.token !== undefined)?.token : undefined),
    artifactCacheBytes: artifactCache,
    drainTimeoutMs: drainTimeout,
    bodyTimeoutMs: bodyTimeout,
    tls: tlsOf(filesOf(tlsCert, tlsKey), acme === undefined ? undefined : { directory: acme, email: acmeEmail }, httpsPort),
  }
}

function tlsOf(files: TlsConfig['files'], acme: TlsConfig['acme'], port: number): TlsConfig | undefined {
  if (files === undefined && acme === undefined) return undefined
  return { port, ...(files === undefined ? {} : { files }), ...(acme === undefined ? {} : { acme }) }
}

function filesOf(cert: string | undefined, key: string | undefined): TlsConfig['files'] {
  if (cert === undefined && key === undefined) return undefined
  if (cert !== undefined && key !== undefined) return { cert: resolve(cert), key: resolve(key) }
  const [given, missing] = cert === undefined ? ['--tls-key', '--tls-cert'] : ['--tls-cert', '--tls-key']
  throw new OsirisError('invalid_argument', `${given}: goes with ${missing}, which is not set`)
}

interface ConfigFile {
  values: Record<string, unknown>
  where(key: string): string
}

async function readConfigFile(sources: ConfigSources): Promise<ConfigFile | undefined> {
  const named = sources.file ?? sources.env['OSIRIS_CONFIG']
  const path = named ?? defaultConfigFile(sources.env)
  const text = await readText(path, named !== undefined, sources.read ?? ((each) => readFile(each, 'utf8')))
  if (text === undefined) return undefined
  const { parseYaml } = await import('./yaml-file.ts')
  const { problemsOf } = await import('./sentence.ts')
  const { nodeConfigSchema } = await import('./schema.ts')
  const yaml = parseYaml(text, basename(path))
  const values = yaml.value ?? {}
  const keysOnly = nodeConfigSchema.partial().safeParse(values, { reportInput: true })
  const shape = keysOnly.success ? [] : keysOnly.error.issues.filter((each) => each.path.length === 0)
  if (shape.length > 0) throw new OsirisError('invalid_argument', problemsOf(shape, nodeConfigSchema, yaml).join('\n'))
  return { values: values as Record<string, unknown>, where: (key) => `${yaml.at([key])}: ${key}` }
}

async function readText(path: string, named: boolean, read: (path: string) => Promise<string>): Promise<string | undefined> {
  try {
    return await read(path)
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    if (missing && !named) return undefined
    throw new OsirisError('invalid_argument', `Cannot read ${path}: ${missing ? 'there is no such file' : (error as Error).message}`, {
      cause: error,
    })
  }
}

function find(key: ConfigKey, sources: ConfigSources, file: ConfigFile | undefined, host: HostFacts): Found | undefined {
  const flag = sources.flags[key.key]
  if (flag !== undefined) return { value: flag, where: (key.flag ?? key.key).replace(/ <.*$/, '') }
  const variable = sources.env[key.env]
  if (variable !== undefined && variable !== '') return { value: variable, where: key.env }
  const written = file?.values[key.key]
  if (file !== undefined && written !== undefined && written !== null) return { value: written, where: file.where(key.key) }
  return key.default === undefined ? undefined : { value: key.default(host), where: key.key }
}
