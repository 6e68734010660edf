// Debian packages: which are installed, and how they come onto the machine, from the charm's resource or from an archive.
import type {Hands} from './hands.ts'

/** The packages cannot be had; the words say why and what to do. */
export class InstallFailed extends Error {
  override readonly name = 'InstallFailed'
}

const apt = ['apt-get', '-q', '-y', '-o', 'Dpkg::Options::=--force-confold', '-o', 'DPkg::Lock::Timeout=300']
const quiet = {DEBIAN_FRONTEND: 'noninteractive', NEEDRESTART_MODE: 'l'}

/** The versions of those that are installed whole. */
export function installedVersions(hands: Hands, names: readonly string[]): Record<string, string> {
  const {out} = hands.run([
    'dpkg-query',
    '-W',
    '-f',
    '${Package} ${db:Status-Status} ${Version}\\n',
    ...names,
  ])
  const rows = out.split('\n').map((line) => line.split(' '))
  return Object.fromEntries(
    rows.flatMap(([name = '', status, version = '']) => (status === 'installed' ? [[name, version]] : [])),
  )
}

/** The version of the packages in a tar file of `.deb`s; null when there are none. */
export function versionIn(hands: Hands, tar: string): string | null {
  const {out} = hands.run(['tar', '-tf', tar])
  return /(?:^|\/)ostler-common_([^_/]+)_[a-z0-9]+\.deb$/m.exec(out)?.[1] ?? null
}

export interface Install {
  readonly packages: readonly string[]
  readonly version: string
  /** The resource's tar file, or null for the archives that apt knows. */
  readonly tar: string | null
  /** Units that must not start with the packages' own settings, when they come for the first time. */
  readonly hold: readonly string[]
}

/** Installs or upgrades. Throws InstallFailed. */
export function install(hands: Hands, {packages, version, tar, hold}: Install): void {
  const isFirst = Object.keys(installedVersions(hands, packages)).length < packages.length
  const held = isFirst ? hold : []
  for (const unit of held) hands.run(['systemctl', 'mask', '--runtime', unit])
  try {
    if (tar === null) fromArchive(hands, packages, version)
    else fromTar(hands, packages, tar)
  } finally {
    for (const unit of held) {
      hands.run(['systemctl', 'unmask', '--runtime', unit])
      // Nor at the next boot, before the charm has had its say.
      hands.run(['systemctl', 'disable', unit])
    }
  }
}

function fromArchive(hands: Hands, packages: readonly string[], version: string): void {
  refuse(
    hands,
    [...apt, 'update'],
    'the package lists cannot be fetched: mend install-sources, install-keys or the proxy',
  )
  const wanted = packages.map((name) => `${name}=${version}`)
  refuse(
    hands,
    [...apt, 'install', ...wanted],
    `version ${version} cannot be installed: name an archive in install-sources, or juju attach-resource packages=…`,
  )
}

function fromTar(hands: Hands, packages: readonly string[], tar: string): void {
  const folder = '/var/lib/ostler-charm/packages'
  hands.run(['rm', '-rf', folder])
  hands.run(['mkdir', '-p', folder])
  refuse(hands, ['tar', '-xf', tar, '-C', folder], 'the resource "packages" is no tar file of packages')
  const files = hands.run(['find', folder, '-name', '*.deb']).out.split('\n')
  const wanted = files.filter((file) => packages.some((name) => file.includes(`/${name}_`)))
  refuse(hands, [...apt, 'install', ...wanted], 'the packages of the resource cannot be installed')
  hands.run(['rm', '-rf', folder])
}

function refuse(hands: Hands, argv: readonly string[], words: string): void {
  const {code, out, err} = hands.run(argv, {env: quiet})
  if (code === 0) return
  const lines = `${err}\n${out}`.split('\n').filter((line) => line.startsWith('E: ') || /error/i.test(line))
  throw new InstallFailed(`${words} (${lines[0] ?? `${argv[0] ?? ''} ended with ${code}`})`)
}

/** Container engines whose command is on this machine. */
export function enginesOn(hands: Hands): string[] {
  return ['docker', 'podman'].filter((engine) => hands.run(['sh', '-c', `command -v ${engine}`]).code === 0)
}

/** Installs an engine, which the worker's user may use from then on. Throws InstallFailed. */
export function installEngine(hands: Hands, engine: 'docker' | 'podman'): void {
  hands.run([...apt, 'update'], {env: quiet})
  const packages = engine === 'docker' ? ['docker.io', 'docker-cli'] : ['podman']
  const known = packages.filter((name) => hands.run(['apt-cache', 'show', name]).code === 0)
  refuse(
    hands,
    [...apt, 'install', '--no-install-recommends', ...known],
    `${engine} cannot be installed: set engine=none, or name an archive in install-sources`,
  )
  if (engine === 'podman') hands.run(['systemctl', 'enable', '--now', 'podman.socket'])
  // The packages of the worker see to it when they come later than the engine.
  hands.run(['usermod', '--append', '--groups', 'docker', 'ostler-worker'])
}
