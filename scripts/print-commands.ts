// Prints what is installed beside the programs, from the same source as their help: man pages and completions, into
// dist/share, or the folder that is named. The same sources give the same bytes: pages bear the day of the version (SOURCE_DATE_EPOCH, else
// debian/changelog), never that of the printing.
import {existsSync, mkdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {dirname, join, resolve} from 'node:path'
import {fileURLToPath} from 'node:url'
import {ostlerProgram} from '../master/cli/program.ts'
import {bashCompletion} from '../master/cli/shell/bash.ts'
import {manualOf} from '../master/cli/shell/manual.ts'
import {usageOf} from '../master/cli/shell/usage.ts'
import {zshCompletion} from '../master/cli/shell/zsh.ts'
import {tools} from './tools/main.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const share = resolve(process.argv[2] ?? join(root, 'dist', 'share'))

function dayOfVersion(): string {
  const epoch = process.env['SOURCE_DATE_EPOCH']
  if (epoch) return new Date(Number(epoch) * 1000).toISOString().slice(0, 10)
  const changelog = join(root, 'debian', 'changelog')
  const written = existsSync(changelog)
    ? /^ -- .*>  (.+)$/m.exec(readFileSync(changelog, 'utf8'))?.[1]
    : undefined
  return written === undefined ? '""' : new Date(written).toISOString().slice(0, 10)
}

function write(place: string, text: string): void {
  const file = join(share, place)
  mkdirSync(dirname(file), {recursive: true})
  writeFileSync(file, text)
}

const {version} = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {version: string}
const edition = {version: `Ostler ${version}`, date: dayOfVersion()}
rmSync(share, {recursive: true, force: true})
const nobody = () => undefined
for (const program of [ostlerProgram(nobody), ...tools.map((tool) => tool(nobody))]) {
  const usage = usageOf(program)
  for (const {file, text} of manualOf(usage, edition)) write(`man/man1/${file}`, text)
  write(`completion/bash/${program.name()}`, bashCompletion(usage))
  write(`completion/zsh/_${program.name()}`, zshCompletion(usage))
}
