// A configuration in TypeScript: functions and loops make the data that YAML would say.
import {
  defineConfig,
  fastForward,
  force,
  gate,
  git,
  gitSource,
  mailReporter,
  merge,
  nightly,
  secret,
  setPropertyFromCommand,
  shell,
  singleBranch,
  upload,
  webhookReporter,
  webhookSource,
} from 'ostler/config'

const releases = ['jammy', 'noble']
const builders = releases.map((release) => `lp-devel-${release}`)

export default defineConfig({
  title: 'Launchpad CI',
  timezone: 'Europe/London',
  changeSources: [
    gitSource({
      name: 'launchpad',
      url: 'https://git.example.org/launchpad',
      branches: ['master', 'db-devel'],
      credentials: {user: 'ostler', password: secret('launchpad-token')},
      pushCredentials: {user: 'ostler-promoter', password: secret('launchpad-push-token')},
    }),
    webhookSource({name: 'forge', dialect: 'github', secret: secret('forge-hook'), wakes: 'launchpad'}),
  ],
  workers: ['bob-villa', 'bob-ross'].map((name) => ({name, maxBuilds: 4})),
  builders: releases.map((release) => ({
    name: `lp-devel-${release}`,
    container: {image: `lp/${release}`, memory: '4GiB'},
    steps: [
      git({repository: 'launchpad'}),
      shell({name: 'build', command: 'make -j2', haltOnFailure: true}),
      setPropertyFromCommand({name: 'version', command: './version.sh', property: 'version'}),
      // \${...} is Ostler's hole, not JavaScript's.
      shell({
        name: 'test',
        command: ['make', 'check', 'VERSION=${props.version}'],
        tests: {junit: 'reports/*.xml'},
      }),
      upload({files: 'dist/*', artifact: 'dist', when: "result == 'success'"}),
    ],
  })),
  schedulers: [
    singleBranch({
      name: 'devel',
      source: 'launchpad',
      branch: 'master',
      treeStableTimer: '30s',
      onRed: 'testfix',
      builders,
    }),
    nightly({name: 'nightly', cron: '0 3 * * *', onlyIfChanged: true, builders}),
    force({name: 'force', builders, parameters: [{name: 'issue', kind: 'integer'}]}),
  ],
  promotions: {
    schedule: '*/5 * * * *',
    rules: [
      fastForward({
        name: 'stable',
        source: 'launchpad',
        from: 'master',
        to: 'stable',
        green: {builders, soak: '30m', fillIn: true},
        freeze: [{from: 'fri 16:00', until: 'mon 08:00', reason: 'nobody is there at the weekend'}],
        approvals: {count: 1},
        tag: 'promoted/${revision:12}',
      }),
      merge({name: 'carry', source: 'launchpad', from: 'stable', to: 'db-devel'}),
      gate({name: 'landing', source: 'launchpad', from: 'next', to: 'master', green: {builders}}),
    ],
  },
  reporters: [
    webhookReporter({name: 'chat', dialect: 'slack', url: secret('chat-url'), on: ['problem', 'fixed']}),
    mailReporter({
      name: 'mail',
      from: 'ci@example.org',
      to: ['launchpad-dev@lists.example.org', 'authors'],
      smtp: {host: 'mail.example.org'},
    }),
  ],
})
