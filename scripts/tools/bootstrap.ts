// The root file system of an image: what mmdebstrap is told, and from where its packages come.
import {execFile, spawn} from 'node:child_process'
import {mkdtemp, readFile, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {promisify} from 'node:util'
import {Ending, exits} from '../../master/cli/exits.ts'
import type {Flavor} from './flavors.ts'

const run = promisify(execFile)

export interface Plan {
  readonly suite: string
  /** Lines of apt's sources; none leaves them to mmdebstrap. */
  readonly sources: readonly string[]
  readonly packages: readonly string[]
  readonly setup: string
}

/** One of this machine's own places of packages. */
interface Place {
  readonly uri: string
  readonly release: string
  readonly origin: string
}

/** What is to be made, for this machine. */
export async function planOf(flavor: Flavor, mirror: string | null): Promise<Plan> {
  const own = await ownRelease()
  const suite = flavor.suite ?? own.codename
  const named = mirror ?? flavor.mirror
  return {
    suite,
    sources:
      named === null
        ? sourcesFrom(await ownPlaces(), own, suite, flavor.components)
        : [`deb ${named} ${suite} ${flavor.components.join(' ')}`],
    packages: flavor.packages,
    setup: flavor.setup,
  }
}

/**
 * The mirrors that this machine itself uses of its distribution, for a release: its updates and security come along. Other people's
 * archives, which apt may know too, stay out.
 */
export function sourcesFrom(
  places: readonly Place[],
  {codename, origin}: {readonly codename: string; readonly origin: string},
  suite: string,
  components: readonly string[],
): readonly string[] {
  const ours = places.filter(
    (place) => place.origin.toLowerCase() === origin && place.release.split('-')[0] === codename,
  )
  const lines = ours.map(
    ({uri, release}) => `deb ${uri} ${release.replace(codename, suite)} ${components.join(' ')}`,
  )
  return [...new Set(lines)]
}

async function ownRelease(): Promise<{codename: string; origin: string}> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '')
  const value = (key: string) => new RegExp(`^${key}="?([^"\n]*)"?$`, 'm').exec(text)?.[1] ?? ''
  return {codename: value('VERSION_CODENAME') || 'stable', origin: value('ID') || 'debian'}
}

async function ownPlaces(): Promise<readonly Place[]> {
  const format = '$(REPO_URI)\t$(RELEASE)\t$(ORIGIN)'
  try {
    const {stdout} = await run('apt-get', ['indextargets', '--format', format, 'Created-By: Packages'])
    return stdout
      .split('\n')
      .map((line) => line.split('\t'))
      .flatMap(([uri, release, origin]) => (uri && release && origin ? [{uri, release, origin}] : []))
  } catch {
    return []
  }
}

/** Makes the root file system as a tar file; what mmdebstrap says is shown when it fails. */
export async function bootstrap({suite, sources, packages, setup}: Plan, tar: string): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), 'ostler-bootstrap-'))
  try {
    const settings = join(work, 'apt.conf')
    await writeFile(settings, await ownSettings())
    const list = join(work, 'sources.list')
    await writeFile(list, sources.map((line) => `${line}\n`).join(''))
    const script = join(work, 'setup')
    await writeFile(script, setup)
    await mmdebstrap([
      '--quiet',
      '--variant=minbase',
      ...(packages.length > 0 ? [`--include=${packages.join(',')}`] : []),
      // apt's own settings, such as a proxy, which do not stay in the image.
      `--aptopt=${settings}`,
      '--customize-hook=rm -f "$1"/etc/apt/apt.conf.d/99mmdebstrap',
      ...['doc', 'man', 'locale'].map((part) => `--dpkgopt=path-exclude=/usr/share/${part}/*`),
      ...(setup === '' ? [] : [`--customize-hook=chroot "$1" sh -eu <'${script}'`]),
      suite,
      tar,
      ...(sources.length > 0 ? [list] : []),
    ])
  } finally {
    await rm(work, {recursive: true, force: true})
  }
}

async function ownSettings(): Promise<string> {
  const {stdout} = await run('apt-config', ['dump', 'Acquire']).catch(() => ({stdout: ''}))
  return stdout
    .split('\n')
    .filter((line) => !line.startsWith('Acquire::IndexTargets'))
    .join('\n')
}

async function mmdebstrap(args: readonly string[]): Promise<void> {
  const child = spawn('mmdebstrap', args, {stdio: ['ignore', 'inherit', 'pipe']})
  let said = ''
  child.stderr.on('data', (bytes: Buffer) => (said = (said + bytes.toString()).slice(-8000)))
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', (error: NodeJS.ErrnoException) => {
      reject(
        new Ending(
          exits.usage,
          error.code === 'ENOENT' ? 'mmdebstrap is not installed: apt install mmdebstrap' : error.message,
        ),
      )
    })
    child.on('close', resolve)
  })
  if (code !== 0) throw new Ending(exits.failed, `mmdebstrap failed:\n${said.trim()}`)
}
