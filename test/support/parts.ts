// The parts of the world that a test may need and a machine may lack, and how to tell whether they are here.
import {spawnSync} from 'node:child_process'
import {accessSync, constants, existsSync} from 'node:fs'
import {request} from 'node:http'
import {delimiter, join} from 'node:path'
import {postgresPrograms} from './cluster.ts'
import {objectServerPrograms} from './object-server.ts'

/** `images`: the container images made by scripts/make-test-images; `mounts`: root may mount a small file system. */
export type Part =
  | 'docker'
  | 'images'
  | 'postgresql'
  | 'chromium'
  | 'buildbot'
  | 'mounts'
  | 'debian-source'
  | 'git'
  | 'object-store'

/** The socket of the container engine the tests use: `DOCKER_HOST` when it is one, else the first that exists. */
export function engineSocket(): string | null {
  const named = process.env['DOCKER_HOST']
  if (named?.startsWith('unix://')) return named.slice('unix://'.length)
  const runtime = process.env['XDG_RUNTIME_DIR']
  const usual = [
    '/var/run/docker.sock',
    '/run/podman/podman.sock',
    ...(runtime ? [`${runtime}/podman/podman.sock`] : []),
  ]
  return usual.find((path) => existsSync(path)) ?? null
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

/** Asks the engine's API; the answer's body, or null when nobody listens or none comes in half a minute (a busy machine). */
export function askEngine(path: string): Promise<string | null> {
  const socketPath = engineSocket()
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

/** Why the container engine, or the images the tests need in it, are not here; null when they are. */
export async function whyNoEngine(part: 'docker' | 'images'): Promise<string | null> {
  if ((await askEngine('/_ping')) === null) return 'no Docker or Podman socket answers'
  if (part === 'docker') return null
  for (const image of ['ostler-test/build', 'ostler-test/busybox'])
    if ((await askEngine(`/images/${image}:latest/json`)) === null)
      return `the image ${image} is not there (scripts/make-test-images makes it)`
  return null
}

/** Why any other part is not here, in a few words; null when it is. */
export function whyAbsent(part: Exclude<Part, 'docker' | 'images'>): string | null {
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
    case 'object-store':
      return objectServerPrograms.every(program)
        ? null
        : "Ceph's object gateway is not installed (radosgw, ceph-mon and ceph-osd)"
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
