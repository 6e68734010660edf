// `ostler master`: runs a master in the foreground.
import {Option} from 'commander'
import type {Exit} from '../exits.ts'
import type {Verb} from '../verb.ts'

interface Flags {
  readonly config: string
  readonly stateDir: string
  readonly listen: string
  readonly logLevel: string
}

export const master: Verb = (program, end) =>
  program
    .command('master')
    .description('run a master; SIGTERM stops it, SIGHUP reloads the configuration')
    .requiredOption('--config <file>', 'the configuration, YAML or TypeScript')
    .option('--state-dir <dir>', 'where logs, artifacts and the embedded database live', 'state')
    .option('--listen <host:port>', 'where to listen', '127.0.0.1:8010')
    .addOption(
      new Option('--log-level <level>', 'what to say')
        .choices(['debug', 'info', 'warn', 'error', 'silent'])
        .default('info'),
    )
    .addHelpText(
      'after',
      '\nOSTLER_DATABASE_URL selects a PostgreSQL server; without it the embedded database is used.',
    )
    .action(async ({config, stateDir, listen, logLevel}: Flags) => {
      // Only here: no other verb needs the master's parts.
      const {runMaster} = await import('../../main.ts')
      const code = await runMaster({
        config,
        stateDir,
        listen,
        logLevel,
        databaseUrl: process.env['OSTLER_DATABASE_URL'] || null,
      })
      end(code as Exit)
    })
