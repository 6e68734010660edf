// `ostler master`: runs a master in the foreground.
import {Option} from 'commander'
import {Ending, type Exit, exits} from '../exits.ts'
import type {Verb} from '../verb.ts'

interface Flags {
  readonly config: string
  readonly stateDir: string
  readonly listen: string
  readonly filesDir?: string
  readonly objectStore?: string
  readonly lastGood?: true
  readonly tlsCert?: string
  readonly tlsKey?: string
  readonly tlsClientCa?: string
  readonly logLevel: string
}

export const master: Verb = (program, end) =>
  program
    .command('master')
    .description('run a master; SIGTERM stops it, SIGHUP reloads the configuration')
    .requiredOption('--config <file>', 'the configuration, YAML or TypeScript')
    .option('--state-dir <dir>', 'where logs, artifacts and the embedded database live', 'state')
    .addOption(
      new Option('--files-dir <dir>', 'where logs and artifacts live instead, shared by several masters').env(
        'OSTLER_FILES_DIR',
      ),
    )
    .addOption(
      new Option(
        '--object-store <url>',
        'or an S3-compatible store: s3://bucket/prefix?endpoint=https://host&region=name&pathStyle=true',
      ).env('OSTLER_OBJECT_STORE'),
    )
    .addOption(
      new Option('--listen <host:port>', 'where to listen').env('OSTLER_LISTEN').default('127.0.0.1:8010'),
    )
    .addOption(
      new Option('--log-level <level>', 'what to say')
        .choices(['debug', 'info', 'warn', 'error', 'silent'])
        .default('info'),
    )
    .addOption(
      new Option('--tls-cert <file>', 'speak TLS with this certificate and its chain (PEM)').env(
        'OSTLER_TLS_CERT',
      ),
    )
    .addOption(new Option('--tls-key <file>', 'its key (PEM)').env('OSTLER_TLS_KEY'))
    .addOption(
      new Option(
        '--tls-client-ca <file>',
        "workers must show a certificate of these issuers, with the worker's name as its own",
      ).env('OSTLER_TLS_CLIENT_CA'),
    )
    .option(
      '--last-good',
      'when the configuration is refused at the start, go on with the last good one that the database has',
    )
    .addHelpText(
      'after',
      '\nOSTLER_DATABASE_URL, or a secret named database-url, selects a PostgreSQL server; without either the embedded\n' +
        'database is used. Secrets are looked for in OSTLER_SECRETS_DIR, too.\n' +
        'The keys of an object store are AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or systemd credentials named\n' +
        'aws-access-key-id and aws-secret-access-key.',
    )
    .action(async ({config, stateDir, filesDir, objectStore, listen, lastGood, logLevel, ...tls}: Flags) => {
      // Only here: no other verb needs the master's parts.
      const {runMaster, databaseSecret} = await import('../../main.ts')
      const code = await runMaster({
        config,
        stateDir,
        listen,
        logLevel,
        lastGood: lastGood === true,
        tls: tlsFiles(tls),
        filesDir: filesDir || null,
        objectStore: objectStore || null,
        databaseUrl: process.env['OSTLER_DATABASE_URL'] || (await databaseSecret()),
      })
      end(code as Exit)
    })

/** Certificate and key belong together; without both there is no TLS. */
function tlsFiles({tlsCert, tlsKey, tlsClientCa}: Pick<Flags, 'tlsCert' | 'tlsKey' | 'tlsClientCa'>) {
  if (!tlsCert && !tlsKey && !tlsClientCa) return null
  if (!tlsCert || !tlsKey)
    throw new Ending(exits.usage, '--tls-cert and --tls-key belong together, and --tls-client-ca needs both')
  return {cert: tlsCert, key: tlsKey, clientCa: tlsClientCa || null}
}
