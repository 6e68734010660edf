// A real nginx on loopback that runs the site which is delivered, with its ports, names and files put in.
import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {connect} from 'node:net'
import {tmpdir} from 'node:os'
import {dirname, join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {freePort} from '../../scripts/processes.ts'
import type {Certificate} from './mail-server.ts'
import {nginxProgram} from './parts.ts'
import type {Owner} from './system.ts'

const site = new URL('../../../debian/examples/nginx.conf', import.meta.url)

/** Starts it before the master at this address, on a port that is free; stops with the test. */
export async function startNginx(
  t: Pick<Owner, 'teardown'>,
  {master, port, certificate}: {master: string; port: number; certificate: Certificate},
): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'ostler-nginx-'))
  const put = (text: string, from: string, to: string) => {
    if (!text.includes(from)) throw new Error(`the site has no ${from}`)
    return text.replaceAll(from, to)
  }
  const text = [
    ['127.0.0.1:8010', new URL(master).host],
    ['listen 80;', `listen 127.0.0.1:${String(await freePort())};`],
    ['listen 443 ', `listen 127.0.0.1:${String(port)} `],
    ['server_name ci.example.org', 'server_name 127.0.0.1'],
    ['/etc/ssl/certs/ci.example.org.pem', certificate.file],
    ['/etc/ssl/private/ci.example.org.key', join(dirname(certificate.file), 'key.pem')],
  ].reduce((now, [from = '', to = '']) => put(now, from, to), readFileSync(site, 'utf8'))
  mkdirSync(join(home, 'tmp'))
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${join(home, 'tmp')};`,
  )
  writeFileSync(join(home, 'site.conf'), text)
  writeFileSync(
    join(home, 'nginx.conf'),
    [
      `daemon off; pid ${join(home, 'pid')}; error_log ${join(home, 'error.log')};`,
      'events {}',
      `http { access_log off; ${temporary.join(' ')} include ${join(home, 'site.conf')}; }`,
    ].join('\n'),
  )
  const nginx = spawn(nginxProgram() ?? 'nginx', ['-p', home, '-c', join(home, 'nginx.conf')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  nginx.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const ended = once(nginx, 'exit')
  t.teardown(async () => {
    nginx.kill('SIGTERM')
    await ended
    rmSync(home, {recursive: true})
  })
  for (let tries = 0; !(await listens(port)); tries++) {
    if (nginx.exitCode !== null || tries > 200) throw new Error(`nginx does not listen: ${said}`)
    await sleep(50)
  }
}

const listens = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => {
      resolve(false)
    })
  })
