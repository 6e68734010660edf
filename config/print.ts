// The printed reference and the JSON Schema for editors, both from the kinds: nothing here is written twice.
import {z} from 'zod'
import {documentShape, parts} from './document.ts'
import type {Kind} from './kinds/kind.ts'
import {reporterKinds} from './kinds/reporters/index.ts'
import {ruleKinds} from './kinds/promotions/index.ts'
import {schedulerKinds} from './kinds/schedulers/index.ts'
import {sourceKinds} from './kinds/sources/index.ts'
import {stepKinds} from './kinds/steps/index.ts'
import {builtinProperties, checkoutProperties} from './terms/interpolation.ts'

type Schema = z.core.JSONSchema.BaseSchema

const schemaOf = (shape: z.ZodType): Schema => z.toJSONSchema(shape, {io: 'input', unrepresentable: 'any'})

/** The JSON Schema of the document, as editors read it. */
export const jsonSchema = (): Schema => ({
  ...schemaOf(documentShape),
  title: 'Ostler configuration',
  description: 'Printed from config/kinds by "npm run docs".',
})

interface Section {
  readonly title: string
  readonly words: string
  readonly kinds: readonly Kind[]
}

const sections: readonly Section[] = [
  {
    title: 'Change sources',
    words: 'Items of `changeSources`: where changes come from.',
    kinds: sourceKinds,
  },
  {
    title: 'Steps',
    words: "Items of a builder's `steps`: what it does, in order.",
    kinds: stepKinds,
  },
  {
    title: 'Schedulers',
    words: 'Items of `schedulers`: when something is built.',
    kinds: schedulerKinds,
  },
  {
    title: 'Promotions',
    words: 'Items of `promotions.rules`: how tested commits move from branch to branch.',
    kinds: ruleKinds,
  },
  {
    title: 'Reporters',
    words: 'Items of `reporters`: who is told.',
    kinds: reporterKinds,
  },
]

/** The reference as Markdown. */
export function reference(): string {
  return [
    '<!-- Printed from config/kinds by "npm run docs"; changes made here are lost. -->',
    '# Configuration reference',
    'An option without a default must be given. How to begin is told in [README.md](README.md).',
    '## The document',
    tableOf(schemaOf(documentShape), []),
    '## Builders',
    'Items of `builders`: what can be built.',
    tableOf(schemaOf(parts.builder), []),
    '## Workers',
    'Items of `workers`: who may connect.',
    tableOf(schemaOf(parts.worker), []),
    ...sections.flatMap(({title, words, kinds}) => [`## ${title}`, words, ...kinds.flatMap(kindText)]),
    valuesText(),
  ]
    .join('\n\n')
    .concat('\n')
}

const kindText = ({kind, summary, shape, example}: Kind): readonly string[] => [
  `### ${kind}`,
  summary,
  tableOf(schemaOf(shape), []),
  `\`\`\`yaml\n${example.trimEnd()}\n\`\`\``,
]

function tableOf(schema: Schema, above: readonly string[]): string {
  return [
    '| option | value | default | meaning |',
    '| --- | --- | --- | --- |',
    ...rowsOf(schema, above),
  ].join('\n')
}

/** One row for each option; those of a mapping follow it as `retry.times`. Lists of things have their own sections. */
function rowsOf(schema: Schema, above: readonly string[]): readonly string[] {
  const required = new Set(schema.required ?? [])
  return Object.entries(schema.properties ?? {}).flatMap(([name, value]) => {
    if (typeof value === 'boolean' || (name === 'kind' && value.const !== undefined) || name === '$schema')
      return []
    const path = [...above, name]
    const item = itemOf(value)
    const below =
      item?.properties && !isSecret(item)
        ? rowsOf(item, [...path.slice(0, -1), value.type === 'array' ? `${name}[]` : name])
        : []
    const nested = above.length === 0 && ['builders', 'workers'].includes(name) ? [] : below
    return [
      `| ${[code(path.join('.')), typeText(value), defaultText(value, required.has(name)), cell(value.description ?? '')].join(' | ')} |`,
      ...nested,
    ]
  })
}

/** The mapping that an option holds, directly, in a list or beside null. */
function itemOf(schema: Schema): Schema | null {
  if (schema.properties) return schema
  const [inner] =
    schema.type === 'array'
      ? [schema.items]
      : (schema.anyOf ?? []).filter((each) => typeof each !== 'boolean' && each.properties)
  return typeof inner === 'object' && !Array.isArray(inner) && !inner.oneOf ? itemOf(inner) : null
}

const isSecret = (schema: Schema): boolean => Object.keys(schema.properties ?? {}).join() === 'secret'

function typeText(schema: Schema): string {
  const alternatives =
    schema.anyOf ??
    (Array.isArray(schema.type)
      ? (schema.type as unknown as string[]).map((type) => ({...schema, type}) as Schema)
      : null)
  if (alternatives)
    return [
      ...new Set(alternatives.map((each) => (typeof each === 'boolean' ? 'anything' : typeText(each)))),
    ].join(', or ')
  if (schema.const !== undefined) return code(String(schema.const))
  if (schema.enum) return schema.enum.map((each) => code(String(each))).join(', ')
  if (schema.type === 'array') {
    const item = schema.items
    return `list of ${typeof item === 'object' && !Array.isArray(item) ? typeText(item) : 'anything'}`
  }
  if (isSecret(schema)) return '`{secret: NAME}`'
  if (schema.oneOf) return 'things with a `kind`'
  const type = typeof schema.type === 'string' ? schema.type : ''
  return schema.title ?? typeWords[type] ?? (type === '' ? 'anything' : type)
}

const typeWords: Readonly<Record<string, string>> = {
  object: 'mapping',
  string: 'text',
  integer: 'whole number',
  boolean: '`true`, `false`',
  null: '`null`',
}

function defaultText(schema: Schema, isRequired: boolean): string {
  if (schema.default !== undefined)
    return code(JSON.stringify(schema.default).replace(/^"(.*)"$/, '$1') || '""')
  return isRequired ? '' : '(none)'
}

const code = (text: string): string => `\`${text.replaceAll('|', '\\|')}\``
const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ')

function valuesText(): string {
  const properties = {...builtinProperties, ...checkoutProperties}
  return `## Values

**duration** \`90s\`, \`10m\`, \`4h\`, \`1h30m\`, \`400d\`; also \`ms\` and \`w\`. **size** \`64MiB\`, \`1GB\`.
**name** letters, digits, \`.\`, \`_\` and \`-\`.

**template** is text with holes. Of what has no value and no default, the step ends as an exception.

| hole | is |
| --- | --- |
| \`\${branch}\` | a property that every build has |
| \`\${props.version}\` | any property |
| \`\${revision:12}\` | its first twelve characters |
| \`\${props.x:-none}\` | what stands in where it is not set; also \`\${props.x:12:-none}\` |
| \`\${secret.NAME}\` | the value of a secret, masked in every log |
| \`$\${HOME}\` | \`\${HOME}\` itself, for the shell |

| property of every build | is |
| --- | --- |
${Object.entries(properties)
  .map(([name, words]) => `| \`${name}\` | ${words} |`)
  .join('\n')}

**condition** is an expression of the Common Expression Language, such as \`result == 'success' && branch.startsWith('release/')\`.

**glob**: \`*\` stays within one name, \`**\` crosses slashes, \`{a,b}\` is either.`
}
