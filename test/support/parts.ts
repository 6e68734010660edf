// The parts of the world that a test may need and a machine may lack, and how to tell whether they are here.
import {spawnSync} from 'node:child_process'
import {accessSync, constants, existsSync, readFileSync, statSync} from 'node:fs'
import {request} from 'node:http'
import {delimiter, join} from 'node:path'
import {engineSockets} from '../../scripts/engine.ts'
import {postgresPrograms} from './cluster.ts'
import {objectServerPrograms} from './object-server.ts'

/**
 * `images`: the container images made by scripts/make-test-images; `podman`: Podman on a socket of its own, with the small ones of
 * them; `machine`: the image of a machine that boots with systemd, and what builds the Debian packages; `docker-group`, `podman-group`: a user in the socket's group may use it, and we may become one; `mounts`: root may mount a
 * small file system; `memory-limits`: root may limit the memory of processes.
 */
export type Part =
  | EnginePart
  | 'postgresql'
  | 'chromium'
  | 'buildbot'
  | 'mounts'
  | 'memory-limits'
  | 'debian-source'
  | 'git'
  | 'openssl'
  | 'unzip'
  | 'sshd'
  | 'object-store'
  | 'nginx'
  | 'prometheus'
  | 'bash'
  | 'zsh'
  | 'man-readers'
  | 'shellcheck'
  | 'mmdebstrap'

/** The parts that are asked of an engine's socket. */
export type EnginePart = 'docker' | 'images' | 'machine' | 'podman' | 'docker-group' | 'podman-group'

/** The socket of the container engine the tests use: `DOCKER_HOST` when it is one, else the first that exists. */
export function engineSocket(): string | null {
  const named = process.env['DOCKER_HOST']
  if (named?.startsWith('unix://')) return named.slice('unix://'.length)
  return engineSockets()[0] ?? null
}

/** Podman's own socket: what `OSTLER_TEST_PODMAN` names, else the first usual one that exists. */
export function podmanSocket(): string | null {
  const usual = engineSockets().find((path) => path.endsWith('/podman/podman.sock'))
  return process.env['OSTLER_TEST_PODMAN'] ?? usual ?? null
}

/** The full path of a program that can be run here, or null. */
export function program(name: string): string | null {
  return (
    searchPath()
      .map((folder) => join(folder, name))
      .find(isExecutable) ?? null
  )
}

/** Chromium's program: `OSTLER_CHROMIUM` or the first usual name on the search path. */
export function chromium(): string | null {
  return (
    process.env['OSTLER_CHROMIUM'] ??
    program('chromium') ??
    program('chromium-browser') ??
    program('google-chrome')
  )
}

/** The ssh server's program, which is on the search path of administrators only. */
export const sshdProgram = (): string | null =>
  program('sshd') ?? ['/usr/sbin/sshd'].find(isExecutable) ?? null

/** nginx's program, likewise. */
export const nginxProgram = (): string | null =>
  program('nginx') ?? ['/usr/sbin/nginx'].find(isExecutable) ?? null

/** Asks the engine's API; the answer's body, or null when nobody listens or none comes in half a minute (a busy machine). */
export function askEngine(path: string, socketPath = engineSocket()): Promise<string | null> {
  if (socketPath === null) return Promise.resolve(null)
  return new Promise((resolve) => {
    const asked = request({socketPath, path, timeout: 30_000}, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (text: string) => (body += text))
      response.on('end', () => resolve(response.statusCode === 200 ? body : null))
    })
    asked.on('error', () => resolve(null))
    asked.on('timeout', () => asked.destroy())
    asked.end()
  })
}

/** Why a container engine, or what the tests need of it, is not here; null when it is. */
export async function whyNoEngine(part: EnginePart): Promise<string | null> {
  switch (part) {
    case 'docker':
      return (await askEngine('/_ping')) === null ? 'no Docker or Podman socket answers' : null
    case 'images':
      return (
        (await whyNoEngine('docker')) ??
        whyNoImages(engineSocket(), ['ostler-test/build', 'ostler-test/busybox'], 'scripts/make-test-images')
      )
    case 'machine':
      return (await whyNoEngine('docker')) ?? (await whyNoMachine())
    case 'podman':
      return whyNoPodman()
    case 'docker-group':
      return whyNoGroup(engineSocket())
    case 'podman-group':
      return whyNoGroup(podmanSocket())
  }
}

async function whyNoImages(socket: string | null, images: readonly string[], maker: string) {
  for (const image of images)
    if ((await askEngine(`/images/${image}:latest/json`, socket)) === null)
      return `the image ${image} is not there (${maker} makes it)`
  return null
}

/** Where the packages are not built or a machine cannot boot: its systemd wants a group of its own among those of version 1. */
async function whyNoMachine(): Promise<string | null> {
  if (!program('docker')) return "Docker's command is not installed"
  if (!program('dpkg-buildpackage') || !program('dh')) return 'debhelper is not installed'
  if (!existsSync('/sys/fs/cgroup/systemd')) return 'there is no control group /sys/fs/cgroup/systemd'
  return whyNoImages(
    engineSocket(),
    ['ostler-test/machine', 'ostler-test/builder'],
    'scripts/make-test-images',
  )
}

async function whyNoPodman(): Promise<string | null> {
  const maker = 'scripts/start-test-podman'
  const socket = podmanSocket()
  if (socket === null || (await askEngine('/_ping', socket)) === null)
    return program('podman') ? `no Podman socket answers (${maker} starts one)` : 'Podman is not installed'
  return whyNoImages(socket, ['ostler-test/debian', 'ostler-test/busybox'], maker)
}

function whyNoGroup(socket: string | null): string | null {
  if (process.getuid?.() !== 0) return 'only root may start a worker as another user'
  // That nobody listens is for the other part to say.
  if (socket === null || !existsSync(socket)) return null
  return (statSync(socket).mode & 0o060) === 0o060 ? null : `${socket} is not open to its group`
}

/** Where a control group with a memory limit can be made, and the name of that limit's file; null when nowhere. */
export function memoryGroups(): {readonly root: string; readonly limit: string} | null {
  const first = {root: '/sys/fs/cgroup/memory', limit: 'memory.limit_in_bytes'}
  const second = {root: '/sys/fs/cgroup', limit: 'memory.max'}
  const isThere = ({root}: {root: string}, file: string) => existsSync(join(root, file))
  const found = isThere(first, first.limit)
    ? first
    : isThere(second, 'cgroup.controllers') &&
        /\bmemory\b/.test(readFileSync(join(second.root, 'cgroup.subtree_control'), 'utf8'))
      ? second
      : null
  try {
    if (found === null || process.getuid?.() !== 0) return null
    accessSync(found.root, constants.W_OK)
    return found
  } catch {
    return null
  }
}

/** Why any other part is not here, in a few words; null when it is. */
export function whyAbsent(part: Exclude<Part, EnginePart>): string | null {
  switch (part) {
    case 'postgresql':
      return process.env['OSTLER_TEST_POSTGRES_URL'] || postgresPrograms()
        ? null
        : 'PostgreSQL is not installed'
    case 'chromium':
      return chromium() ? null : 'Chromium is not installed'
    case 'buildbot':
      return program('buildbot') && program('buildbot-worker') ? null : 'Buildbot is not installed'
    case 'git':
      return program('git') ? null : 'git is not installed'
    case 'unzip':
      return program('unzip') ? null : 'unzip is not installed'
    case 'openssl':
      return program('openssl') ? null : 'openssl is not installed'
    case 'object-store':
      return objectServerPrograms.every(program)
        ? null
        : "Ceph's object gateway is not installed (radosgw, ceph-mon and ceph-osd)"
    case 'nginx':
      return nginxProgram() ? null : 'nginx is not installed'
    case 'prometheus':
      return program('prometheus') && program('promtool') ? null : 'Prometheus is not installed'
    case 'shellcheck':
    case 'mmdebstrap':
    case 'bash':
    case 'zsh':
      return program(part) ? null : `${part} is not installed`
    case 'man-readers':
      return program('mandoc') && program('groff') ? null : 'mandoc and groff are not installed'
    case 'sshd':
      return sshdProgram() && program('ssh') ? null : 'openssh-server is not installed'
    case 'memory-limits':
      return memoryGroups()
        ? null
        : 'memory of processes cannot be limited here (no cgroup that may be written)'
    case 'mounts':
      return whyNoMounts()
    case 'debian-source':
      return whyNoDebianSource()
  }
}

function whyNoMounts(): string | null {
  if (process.getuid?.() !== 0) return 'only root may mount a small file system'
  const tried = spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', '-o', 'size=64k', 'none', '/mnt'], {
    stdio: 'ignore',
  })
  return tried.status === 0 ? null : 'this machine does not let root mount a file system'
}

function whyNoDebianSource(): string | null {
  if (!program('apt-get') || !program('dpkg-source')) return 'apt-get and dpkg-source are not installed'
  const asked = spawnSync('apt-get', ['source', '--print-uris', '-qq', 'hello'], {cwd: '/', stdio: 'ignore'})
  return asked.status === 0 ? null : "apt knows no source packages (no 'deb-src' entry)"
}

function searchPath(): string[] {
  return (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '')
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
