// The manuals say what is there: every command, alert, setting, unit and file that they name.
import {existsSync, readdirSync, readFileSync} from 'node:fs'
import {dirname, join} from 'node:path'
import {fileURLToPath} from 'node:url'
import test from 'ava'
import {Command} from 'commander'
import {verbs} from '../master/cli/verbs/index.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const manuals = ['README.md', 'config/README.md', 'debian/README.md', 'charms/README.md', 'scripts/README.md']
const operating = read('debian/README.md')

/** What stands in code, in a line or a block. */
const code = (text: string) => (text.match(/```[^]*?```|`[^`]+`/g) ?? []).join('\n')
const named = (pattern: RegExp, text = operating) => [
  ...new Set([...text.matchAll(pattern)].map(([, name]) => name ?? '')),
]

function filesBelow(folder: string): string[] {
  return readdirSync(join(root, folder), {withFileTypes: true}).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (!entry.isDirectory()) return [path]
    return ['node_modules', 'tree'].includes(entry.name) ? [] : filesBelow(path)
  })
}

test('links lead to files that are there, and to sections', (t) => {
  for (const manual of manuals)
    for (const link of named(/\]\((?!https?:)([^)\s]+)\)/g, read(manual))) {
      const [path = '', section] = link.split('#')
      const target = path === '' ? manual : join(dirname(manual), path)
      t.true(existsSync(join(root, target)), `${manual}: ${link}`)
      if (section === undefined) continue
      const sections = named(/^#+ (.+)$/gm, read(target)).map((title) =>
        title
          .toLowerCase()
          .replaceAll(/[^\w\s-]/g, '')
          .replaceAll(' ', '-'),
      )
      t.true(sections.includes(section), `${manual}: ${link}`)
    }
})

test('every verb of ostler that a manual names is one, and so is every option after it', (t) => {
  const program = new Command('ostler')
  for (const verb of verbs) verb(program, () => undefined)
  const known = new Map(program.commands.map((command) => [command.name(), command]))
  for (const manual of manuals)
    for (const [, name = '', rest = ''] of code(read(manual)).matchAll(
      /\bostler ([a-z][a-z-]+)((?: [^`\n|#]+)?)/g,
    )) {
      const command = known.get(name)
      t.truthy(command, `${manual}: ostler ${name}`)
      if (name === 'worker' || !command) continue
      const within = command.commands.find((sub) => rest.trim().startsWith(sub.name())) ?? command
      for (const option of named(/(--[a-z-]+)/g, rest))
        t.true(within.helpInformation().includes(option), `${manual}: ostler ${name} ${option}`)
    }
})

test('every alert that is named is delivered', (t) => {
  const alerts = read('debian/monitoring/alerts.yaml')
  for (const name of named(/`(Ostler[A-Z]\w+)`/g)) t.true(alerts.includes(`alert: ${name}\n`), name)
})

test('every unit and every program that is named is in a package', (t) => {
  const files = filesBelow('debian').map((path) => path.split('/').at(-1) ?? '')
  const units = files.flatMap((name) => /^ostler-\w+\.(.+\.(?:service|timer))$/.exec(name)?.[1] ?? [])
  for (const unit of named(/\b((?:ostler-|build)\w+\.(?:service|timer))\b/g))
    t.true(unit === 'buildslave.service' || units.includes(unit), unit)
  const installed = files
    .filter((name) => /\.(install|links)$/.test(name))
    .map((name) => read(join('debian', name)))
  const programs = named(/\b(ostler-(?:create|list|run|cleanup|collect)-\w+(?:-\w+)?)\b/g)
  for (const name of programs)
    t.true(
      installed.some((text) => text.includes(name)),
      name,
    )
})

test('every setting that is named is read by somebody', (t) => {
  const sources = ['master', 'worker', 'debian', 'scripts']
    .flatMap(filesBelow)
    .filter((path) => !path.endsWith('.md') && !path.includes('monitoring'))
    .map(read)
  for (const name of named(/\b(OSTLER_[A-Z_]+)\b/g).filter((one) => one !== 'OSTLER_BUILD'))
    t.true(
      sources.some((text) => text.includes(name)),
      name,
    )
})
