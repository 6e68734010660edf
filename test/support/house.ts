// The house's rules as data: its rooms, which room may know which, and where each package may be used.
// The README shows the same table of arrows to people; test/tidy.test.ts holds both to the code.

export interface Room {
  /** Its folder, or one file. A file belongs to the longest path that fits. */
  readonly path: string
  /** What it does, in a verb, for the README's table. */
  readonly does: string
  /** Rooms whose files it may import, besides its own. */
  readonly knows: readonly string[]
  /** Packages it may import; `node:` stands for all of Node's own. */
  readonly packages: readonly string[]
  /** Neither clock, randomness nor process; compiled without Node's types. */
  readonly pure?: true
}

const wire = 'worker/protocol'

export const rooms: readonly Room[] = [
  {path: wire, does: 'agrees', knows: [], packages: ['zod'], pure: true},
  {path: 'worker/core', does: 'decides', knows: [wire], packages: ['@marcbachmann/cel-js'], pure: true},
  {path: 'worker/systemd', does: 'reports', knows: [], packages: ['node:']},
  {
    path: 'worker/world',
    does: 'touches',
    knows: ['worker/systemd', 'worker/core', wire],
    packages: ['dockerode', 're2js', 'ws', 'node:'],
  },
  {
    path: 'worker/commands',
    does: 'performs',
    knows: ['worker/world', 'worker/core', wire],
    packages: ['fast-xml-parser', 'picomatch', 'node:'],
  },
  {
    path: 'worker',
    does: 'assembles',
    knows: ['worker/commands', 'worker/world', 'worker/systemd', 'worker/core', wire],
    packages: ['commander', 'node:'],
  },
  {
    path: 'config',
    does: 'describes',
    knows: [wire],
    packages: ['zod', 'yaml', 'croner', 'picomatch', 're2js', '@marcbachmann/cel-js', 'ostler'],
    pure: true,
  },
  {
    path: 'master/core',
    does: 'decides',
    knows: ['config', 'worker/core', wire],
    packages: ['picomatch'],
    pure: true,
  },
  {
    path: 'master/world',
    does: 'touches',
    knows: ['master/core', 'config', 'worker/systemd', 'worker/core', wire],
    packages: [
      'typeorm',
      'pg',
      '@electric-sql/pglite',
      'simple-git',
      'node-cron',
      'nodemailer',
      'pino',
      '@aws-sdk/client-s3',
      'acorn',
      'esbuild',
      'node:',
    ],
  },
  {
    path: 'master/flow',
    does: 'moves',
    knows: ['master/world', 'master/core', 'config', 'worker/core', wire],
    packages: ['node:'],
  },
  {
    path: 'master/http',
    does: 'listens',
    knows: ['master/world', 'master/core', 'config', 'worker/core', wire],
    packages: ['fastify', '@fastify/*', 'fastify-type-provider-zod', 'zod', 'prom-client', 'node:'],
  },
  {
    path: 'master/web/core',
    does: 'lays out',
    knows: [wire],
    packages: ['anser'],
    pure: true,
  },
  {
    path: 'master/web',
    does: 'shows',
    knows: ['master/web/core', 'master/http/shapes.ts', wire],
    packages: ['react', 'react-dom', '@tanstack/*', 'wouter', 'vite', '@vitejs/plugin-react', 'node:'],
  },
  {
    path: 'master/cli',
    does: 'asks',
    knows: [
      'master/main.ts',
      'master/http',
      'master/world',
      'master/core',
      'config',
      'worker',
      'worker/core',
      wire,
    ],
    packages: ['commander', 'picocolors', 'zod', 'node:'],
  },
  {
    path: 'master/main.ts',
    does: 'assembles',
    knows: ['master/http', 'master/flow', 'master/world', 'master/core', 'config', 'worker/systemd', wire],
    packages: ['prom-client', 'node:'],
  },
  {path: 'charms/core', does: 'decides', knows: [], packages: [], pure: true},
  {path: 'charms/world', does: 'touches', knows: ['charms/core'], packages: ['node:']},
  {path: 'charms', does: 'deploys', knows: ['charms/world', 'charms/core'], packages: ['node:']},
  {
    path: 'scripts',
    does: 'serve people',
    knows: ['master/cli', 'master/http', 'config', 'worker', 'worker/world', wire],
    packages: ['commander', 'dockerode', 'picocolors', 'yaml', 'zod', 'node:'],
  },
  {
    path: 'test',
    does: 'proves',
    knows: ['*'],
    packages: ['*'],
  },
]

/** Words that name nothing: a path with one hides what lives there. */
export const emptyWords = ['utils', 'util', 'helpers', 'helper', 'common', 'misc', 'manager', 'service']

/** Pure files that need no test of their own, each with its reason. */
export const untested: Readonly<Record<string, string>> = {
  'charms/core/credentials.ts': 'a part of reconciling: test/charms/reconcile.test.ts',
  'charms/core/database.ts': 'a part of reconciling: test/charms/reconcile.test.ts',
  'charms/core/files.ts': 'a part of reconciling: test/charms/reconcile.test.ts',
  'charms/core/installing.ts': 'a part of reconciling: test/charms/reconcile.test.ts',
  'charms/core/layout.ts': 'a part of reconciling: test/charms/reconcile.test.ts',
  'charms/core/master.ts': 'a part of reconciling: test/charms/reconcile.test.ts',
  'charms/core/monitoring.ts': 'a part of reconciling: test/charms/reconcile.test.ts',
  'charms/core/orders.ts': 'a part of reconciling: test/charms/reconcile.test.ts',
  'charms/core/scene.ts': 'a part of reconciling: test/charms/reconcile.test.ts',
  'charms/core/website.ts': 'a part of reconciling: test/charms/reconcile.test.ts',
  'charms/core/worker.ts': 'a part of reconciling: test/charms/reconcile.test.ts',
  'config/checks.ts': 'a step of loading: load.test.ts',
  'config/document.ts': 'a step of loading: load.test.ts',
  'config/resolve.ts': 'a step of loading: load.test.ts',
  'config/schema.ts': 'a step of loading: load.test.ts',
  'config/wording.ts': 'a step of loading: load.test.ts',
  'config/kinds/green.ts': 'what promotions share: the test of each promotion',
  'config/kinds/kind.ts': 'what kinds share: the test of each kind',
  'config/kinds/letter.ts': 'what reporters have to tell: the test of each reporter',
  'config/kinds/reporter.ts': 'what kinds share: the test of each reporter',
  'config/kinds/rule.ts': 'what kinds share: the test of each promotion',
  'config/kinds/scheduler.ts': 'what kinds share: the test of each scheduler',
  'config/kinds/source.ts': 'what kinds share: the test of each source',
  'config/kinds/step.ts': 'what kinds share: the test of each step',
  'master/core/promotion/rollback.ts': 'the words of a rollback: the numbered cases',
}

/** The room of a file, or null for one that lies in none. */
export function roomOf(file: string): Room | null {
  const fitting = rooms.filter(({path}) => file === path || file.startsWith(`${path}/`))
  return fitting.sort((a, b) => b.path.length - a.path.length)[0] ?? null
}

/** Whether a room may import that file. */
export function mayKnow(room: Room, file: string): boolean {
  if (room.knows.includes('*') || room.knows.includes(file)) return true
  const other = roomOf(file)
  return other !== null && (other === room || room.knows.includes(other.path))
}

/** Whether a room may import that package (`@scope/*` allows a whole scope). */
export function mayUse(room: Room, name: string): boolean {
  const own = name.startsWith('node:') ? 'node:' : name
  return room.packages.some(
    (each) => each === '*' || each === own || (each.endsWith('/*') && own.startsWith(each.slice(0, -1))),
  )
}

/** The table of arrows as the README shows it. */
export function arrowsTable(): string {
  const rows = rooms
    .filter(({path}) => path !== 'test')
    .map(
      ({path, does, knows}) =>
        `| \`${path}\` | ${does} | ${knows.map((each) => `\`${each}\``).join(', ') || 'nothing'} |`,
    )
  return ['| room | what it does | what it may know |', '| --- | --- | --- |', ...rows].join('\n')
}
