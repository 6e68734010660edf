// Flavors: small files that say what an image is made of. The operator's own, in /etc/ostler/flavors, stand before ours.
import {createHash} from 'node:crypto'
import {existsSync, readdirSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {parseDocument} from 'yaml'
import {z} from 'zod'
import {Ending, exits} from '../../master/cli/exits.ts'

const packageName = z.string().regex(/^[a-z0-9][a-z0-9+.-]+(:[a-z0-9]+)?$/, 'expected a package name')
const toolName = z.string().regex(/^[\w.+-]+$/, 'expected the name of a program')

const shape = z.strictObject({
  summary: z.string().min(1),
  suite: z
    .string()
    .regex(/^[a-z][a-z0-9-]*$/, 'expected a release such as trixie')
    .nullable()
    .default(null),
  mirror: z
    .string()
    .regex(/^(https?|file):\/\/\S+$/, 'expected an address such as https://mirror.example.org/debian')
    .nullable()
    .default(null),
  components: z.array(z.string().regex(/^[\w-]+$/)).default(['main']),
  packages: z.array(packageName).default([]),
  check: z.array(toolName).default([]),
  setup: z.string().default(''),
})

export interface Flavor extends Readonly<z.output<typeof shape>> {
  readonly name: string
  readonly file: string
  /** Changes with everything that the flavor says. */
  readonly madeOf: string
}

const flavorName = /^[a-z0-9][a-z0-9._-]{0,60}$/

/** Compiled or bundled, this module lies three folders below the root. */
const ours = fileURLToPath(new URL('../../../scripts/flavors', import.meta.url))

/** Where flavors are looked for: a folder that was named, else the operator's and ours. */
export const flavorFolders = (named: string | undefined): readonly string[] =>
  named === undefined ? ['/etc/ostler/flavors', ours, '/usr/share/ostler/flavors'] : [named]

/** The names of all flavors, each once. */
export function flavorNames(folders: readonly string[]): readonly string[] {
  const names = folders
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder))
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => file.slice(0, -'.yaml'.length))
  return [...new Set(names)].sort()
}

/** Reads a flavor; throws an Ending with every problem of its file. */
export function readFlavor(name: string, folders: readonly string[]): Flavor {
  const file = folders.map((folder) => join(folder, `${name}.yaml`)).find((each) => existsSync(each))
  if (!flavorName.test(name) || file === undefined)
    throw new Ending(
      exits.usage,
      `there is no flavor ${name} in ${folders.join(' or ')}; there are ${flavorNames(folders).join(', ') || 'none'}`,
    )
  const document = parseDocument(readFileSync(file, 'utf8'))
  const broken = document.errors.map(
    (error) => `${file}:${String(error.linePos?.[0].line ?? 1)}: ${error.message.split('\n')[0] ?? ''}`,
  )
  if (broken.length > 0) throw new Ending(exits.usage, broken.join('\n'))
  const read = shape.safeParse(document.toJS())
  if (!read.success)
    throw new Ending(
      exits.usage,
      read.error.issues
        .map(({path, message}) => `${file}: ${path.join('.')}: ${message}`.replace(': : ', ': '))
        .join('\n'),
    )
  const madeOf = createHash('sha256').update(JSON.stringify(read.data)).digest('hex').slice(0, 16)
  return {...read.data, name, file, madeOf}
}
