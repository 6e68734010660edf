// The Debian packages of this clone, built once for all test files that install them: whoever comes first builds, under a lock.
import {execFile} from 'node:child_process'
import {createHash} from 'node:crypto'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import {join} from 'node:path'
import {promisify} from 'node:util'
import {repository} from './sources.ts'

const shelf = join(repository, 'dist', 'debian')

/**
 * The folder with the packages of this clone as it was last built, or the same as another version, to upgrade from or to. Rejects
 * with the build's own words.
 */
export async function debianPackages(version = ownVersion): Promise<string> {
  mkdirSync(shelf, {recursive: true})
  const folder = join(shelf, `${digest()}-${version}`)
  if (!existsSync(folder))
    await run('flock', [join(shelf, 'lock'), process.execPath, builder, folder, version])
  return folder
}

export const ownVersion = (
  JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as {version: string}
).version

/** Nobody keeps these packages: it does not matter how small they are. */
const quick = {DPKG_DEB_COMPRESSOR_TYPE: 'gzip', DPKG_DEB_COMPRESSOR_LEVEL: '1'}

/** This file, run as a program: it builds where nobody did while it waited for the lock. */
const builder = import.meta.filename

/** Lays the source package's content out and builds it, as a Debian machine without Node would. */
async function build(folder: string, version: string): Promise<void> {
  if (existsSync(folder)) return
  const isOld = (name: string) => name !== 'lock' && !folder.includes(name.split('-')[0] ?? '')
  for (const old of readdirSync(shelf).filter(isOld)) rmSync(join(shelf, old), {recursive: true})
  await run(process.execPath, [join(repository, 'scripts', 'tree.mjs')])
  const work = mkdtempSync(join(shelf, 'work-'))
  const source = join(work, 'ostler')
  for (const part of sourceParts) cpSync(join(repository, part), join(source, part), {recursive: true})
  for (const part of ['debian/changelog', 'debian/tree/package.json'])
    replaceIn(join(source, part), ownVersion, version)
  await run('dpkg-buildpackage', ['-us', '-uc', '-b'], source)
  const made = join(work, 'made')
  mkdirSync(made)
  for (const name of readdirSync(work).filter((name) => name.endsWith('.deb')))
    renameSync(join(work, name), join(made, name))
  renameSync(made, folder)
  rmSync(work, {recursive: true})
}

function replaceIn(file: string, text: string, instead: string): void {
  writeFileSync(file, readFileSync(file, 'utf8').replace(text, instead))
}

/** What the packages are built from, beside debian/tree, which is made from what was compiled. */
const sourceParts = ['debian', 'config/examples', 'scripts', 'package.json']

function digest(): string {
  const hash = createHash('sha256')
  const compiled = ['dist/config', 'dist/master', 'dist/worker', 'dist/bundle', 'dist/share', 'dist/web']
  for (const file of [...sourceParts, ...compiled, 'bin'].flatMap((part) =>
    filesBelow(join(repository, part)),
  ))
    if (!file.startsWith(join(repository, 'debian', 'tree'))) hash.update(file).update(readFileSync(file))
  return hash.digest('hex').slice(0, 16)
}

function filesBelow(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path]
  const names = readdirSync(path, {recursive: true, withFileTypes: true})
  return names
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}

async function run(program: string, args: readonly string[], cwd = repository): Promise<void> {
  try {
    await promisify(execFile)(program, args, {
      cwd,
      env: {...process.env, ...quick},
      maxBuffer: 64 * 1024 * 1024,
    })
  } catch (error) {
    const {stdout = '', stderr = ''} = error as {stdout?: string; stderr?: string}
    throw new Error(`${program} ${args.join(' ')} failed:\n${stdout.slice(-2000)}\n${stderr.slice(-4000)}`)
  }
}

if (process.argv[1] === builder) await build(process.argv[2] ?? '', process.argv[3] ?? ownVersion)
