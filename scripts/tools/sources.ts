// What goes into a report for others: commands, files and pages, each with the name it has there.
import {readdirSync} from 'node:fs'
import {join} from 'node:path'

export interface Source {
  readonly name: string
  readonly from: {readonly command: readonly string[]} | {readonly file: string} | {readonly url: string}
}

const units = [
  'buildmaster',
  'ostler-worker',
  'ostler-backup',
  'ostler-promote',
  'ostler-janitor',
  'postgresql',
  'docker',
  'podman',
]

/** Everything, of the system that lies at `root`. */
export function collected({
  root,
  since,
  master,
}: {
  root: string
  since: string
  master: string
}): readonly Source[] {
  const command = (name: string, ...words: string[]): Source => ({name, from: {command: words}})
  const state = join(root, 'var/lib/ostler')
  return [
    command('machine/uname.txt', 'uname', '-a'),
    {name: 'machine/os-release.txt', from: {file: join(root, 'etc/os-release')}},
    command('machine/uptime.txt', 'uptime'),
    command('machine/memory.txt', 'free', '-m'),
    command('machine/disks.txt', 'df', '-hT'),
    command('machine/inodes.txt', 'df', '-i'),
    command('machine/clock.txt', 'timedatectl'),
    command('machine/processes.txt', 'ps', '-eo', 'pid,ppid,user,stat,etime,rss,comm', '--forest'),
    command('machine/listening.txt', 'ss', '-ltn'),
    command(
      'versions/packages.txt',
      'dpkg-query',
      '-W',
      '-f',
      '${Package} ${Version} ${db:Status-Status}\n',
      'ostler-*',
      'nodejs',
      'git',
      'postgresql*',
      'docker.io',
      'podman',
      'systemd',
    ),
    command('versions/git.txt', 'git', '--version'),
    command('versions/docker.txt', 'docker', 'version'),
    command('engine/info.txt', 'docker', 'info'),
    command(
      'engine/containers.txt',
      'docker',
      'ps',
      '--all',
      '--filter',
      'label=ostler.state',
      '--format',
      '{{.ID}} {{.Image}} {{.Status}} {{.Labels}}',
    ),
    command('engine/images.txt', 'docker', 'images', '--all'),
    command('engine/disk.txt', 'docker', 'system', 'df'),
    command('services/failed.txt', 'systemctl', '--failed', '--no-pager'),
    command('services/timers.txt', 'systemctl', 'list-timers', '--all', '--no-pager'),
    ...units.map((unit) =>
      command(
        `services/${unit}.status.txt`,
        'systemctl',
        'status',
        '--no-pager',
        '--full',
        '--lines=0',
        unit,
      ),
    ),
    ...units
      .slice(0, 5)
      .map((unit) => command(`services/${unit}.unit.txt`, 'systemctl', 'cat', '--no-pager', unit)),
    ...units.map((unit) =>
      command(
        `journals/${unit}.txt`,
        'journalctl',
        '--no-pager',
        '--output=short-iso',
        `--since=${since}`,
        '--lines=100000',
        `--unit=${unit}`,
      ),
    ),
    command(
      'journals/warnings.txt',
      'journalctl',
      '--no-pager',
      '--output=short-iso',
      `--since=${since}`,
      '--lines=20000',
      '--priority=warning',
    ),
    ...configuration(join(root, 'etc/ostler')),
    command('state/files.txt', 'find', state, '-xdev', '-maxdepth', '3', '-printf', '%M %u:%g %s %t %P\n'),
    command('state/sizes.txt', 'du', '-xhd2', state),
    {name: 'master/healthz.txt', from: {url: `${master}/healthz`}},
    {name: 'master/metrics.txt', from: {url: `${master}/metrics`}},
  ]
}

/** The files of the configuration; of secrets and tokens only that they are there, and whose. */
function configuration(folder: string): Source[] {
  const listed: Source = {
    name: 'configuration/files.txt',
    from: {command: ['find', folder, '-printf', '%M %u:%g %s %t %P\n']},
  }
  const files = namesIn(folder).filter((name) => /\.(ya?ml|ts|json|env|conf)$/.test(name))
  return [
    listed,
    ...files.map((name): Source => ({name: `configuration/${name}`, from: {file: join(folder, name)}})),
  ]
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
