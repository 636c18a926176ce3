/** `osiris.yaml`: one file describes a project (DESIGN 4.1). */
import { z } from 'zod'
import { OsirisError } from '#protocols/errors'
import { type FunctionConfig, functionConfigSchema, nameSchema } from '#protocols/manifest'
import { problemsOf } from './sentence.ts'
import { parseYaml } from './yaml-file.ts'

const functionSchema = functionConfigSchema.safeExtend({
  /** The file with the default export, relative to osiris.yaml. */
  source: z
    .string()
    .min(1, 'expected a path such as ./greet.ts')
    .max(1024)
    .refine((path) => !path.startsWith('/') && !path.split(/[\\/]/).includes('..'), 'expected a path inside the folder of osiris.yaml'),
})

export const projectSchema = z.strictObject({
  namespace: nameSchema.optional(),
  functions: z.record(nameSchema, functionSchema),
})

export interface ProjectFunction {
  name: string
  /** As written: relative to the folder of osiris.yaml. */
  source: string
  /** As written (checked, units still as a person likes them): what a deploy sends. */
  config: FunctionConfig
}

export interface Project {
  namespace: string | undefined
  /** In the order written. */
  functions: ProjectFunction[]
}

/** Throws `invalid_argument`: one `file:line:column: key: sentence` per fault, at most 20. */
export function parseProject(text: string, file: string): Project {
  const yaml = parseYaml(text, file)
  if (yaml.value === null || yaml.value === undefined)
    throw new OsirisError('invalid_argument', `${file}:1:1: the file is empty; it needs "functions:"`)
  const result = projectSchema.safeParse(yaml.value, { reportInput: true })
  if (!result.success) throw new OsirisError('invalid_argument', problemsOf(result.error.issues, projectSchema, yaml).join('\n'))
  const written = (yaml.value as { functions: Record<string, FunctionConfig & { source: string }> }).functions
  return {
    namespace: result.data.namespace,
    functions: Object.entries(written).map(([name, { source, ...config }]) => ({ name, source, config })),
  }
}
