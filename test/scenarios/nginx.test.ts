// The site that is delivered for nginx, in a real one: TLS, a path of its own, live pages, workers, limits.
import {Agent, request} from 'node:https'
import type {Artifact, Page} from '../../scripts/api.ts'
import test from 'ava'
import {freePort} from '../../scripts/processes.ts'
import {delaysOf, stamps} from '../support/following.ts'
import {selfSigned} from '../support/mail-server.ts'
import {needs} from '../support/needs.ts'
import {startNginx} from '../support/nginx.ts'
import {System} from '../support/system.ts'
import {adminToken, visit} from '../support/visit.ts'
import {builder, sh, written} from '../support/written.ts'

const scenario = needs('nginx', 'chromium', 'openssl', 'postgresql')

scenario('behind nginx, below a path, people, programs and workers find everything', async (t) => {
  const certificate = selfSigned(t)
  const port = await freePort()
  const home = `https://127.0.0.1:${String(port)}/ostler`
  const system = await System.start(t, {
    database: 'postgresql',
    config: () =>
      written(
        [
          builder('stamps', [
            sh('s', stamps),
            sh('make', 'head -c 3000000 /dev/urandom >large'),
            {kind: 'upload', files: ['large'], artifact: 'kept'},
          ]),
        ],
        {url: `${home}/`},
      ),
  })
  await startNginx(t, {master: system.master.url, port, certificate})
  await system.startWorker({name: 'w1', master: [home], env: {NODE_EXTRA_CA_CERTS: certificate.file}})

  // A person comes without a session, by a link that somebody sent.
  const {page, done} = await visit(t, system, {trusting: true, at: home, anonymous: true, mayComplain: /401/})
  await page.goto(`${home}/builders/stamps`)
  await page.getByLabel(/token/i).fill(adminToken(system))
  await page.getByRole('button', {name: 'Log in'}).click()
  await page.getByRole('heading', {name: 'stamps'}).waitFor()
  await page.getByRole('link', {name: 'Ostler'}).first().click()
  await page.waitForURL(`${home}/`)
  await page.getByText('live', {exact: true}).waitFor()

  const agent = new Agent({ca: certificate.cert})
  const bearer = {authorization: `Bearer ${adminToken(system)}`}
  const forced = await ask(agent, `${home}/api/v1/schedulers/force/force`, {
    headers: {...bearer, 'content-type': 'application/json'},
    body: '{}',
  })
  t.is(forced.status, 202)
  t.true(forced.location.startsWith('/ostler/api/v1/buildsets/'), forced.location)
  await page.locator('.block.tone-running').waitFor()
  const log = await system.until(
    'its log is there',
    async () => (await system.steps('1').catch(() => []))[0]?.logs[0]?.id ?? null,
  )
  const delays = await follow(agent, `${home}/api/v1/logs/${log}/follow`, bearer)
  t.true((delays[3] ?? Infinity) < 1000, `seen after ${delays.join(', ')} ms`)
  await page.locator('.block.tone-success').waitFor()
  const {items} = await system.api.get<Page<Artifact>>('/artifacts?build=1')
  t.is(items[0]?.bytes, 3_000_000)
  await page.goto(`${home}/builds/1#S1`)
  await page.locator('.log-view').getByText('up').first().waitFor()
  await done()

  // Who asks is known by the address that it asked from, not by nginx's.
  await ask(agent, `${home}/api/v1/workers/w1/pause`, {
    headers: {...bearer, 'content-type': 'application/json'},
    body: '{}',
    localAddress: '127.0.0.9',
  })
  const [audited] = await system.rows<{address: string}>('SELECT address FROM audit ORDER BY id DESC LIMIT 1')
  t.is(audited?.address, '127.0.0.9')

  const guesses = await Promise.all(
    Array.from({length: 30}, () =>
      ask(agent, `${home}/api/v1/session`, {
        headers: {'content-type': 'application/json', origin: new URL(home).origin},
        body: '{"token":"ostler_u_guessed"}',
        localAddress: '127.0.0.7',
      }),
    ),
  )
  t.true(guesses.some(({status}) => status === 429))
  t.false(guesses.some(({status}) => status >= 500))
})

test('the master itself knows the path, whether a proxy takes it away or not', async (t) => {
  const system = await System.start(t, {
    config: () =>
      written([builder('b', [sh('s', 'true')])], {
        url: 'https://ci.example.org/ostler/',
        access: {read: 'open'},
      }),
  })
  const {url} = system.master
  for (const path of ['/', '/ostler/', '/ostler', '/ostler/builders', '/builders']) {
    const answer = await fetch(url + path, {headers: {accept: 'text/html'}})
    t.is(answer.status, 200, path)
    const [, script = ''] = /src="([^"]+)"/.exec(await answer.text()) ?? []
    t.true(script.startsWith('/ostler/assets/'), script)
    t.is((await fetch(url + script)).status, 200)
  }
  for (const path of ['/healthz', '/ostler/healthz', '/ostler/metrics', '/ostler/api/v1/builders'])
    t.is((await fetch(url + path)).status, 200, path)
  t.is((await fetch(`${url}/ostlery/healthz`, {headers: {accept: 'application/json'}})).status, 404)
  system.configure(written([builder('b', [sh('s', 'true')])], {access: {read: 'open'}}))
  process.kill(system.master.process.pid, 'SIGHUP')
  await system.until('the new address is in force', async () =>
    (await (await fetch(url, {headers: {accept: 'text/html'}})).text()).includes('src="/assets/')
      ? true
      : null,
  )
})

interface Asking {
  readonly headers: Record<string, string>
  readonly body: string
  readonly localAddress?: string
}

function ask(agent: Agent, url: string, {headers, body, localAddress}: Asking) {
  return new Promise<{status: number; location: string}>((resolve, reject) => {
    const asked = request(
      url,
      {method: 'POST', headers, localAddress, agent: localAddress ? false : agent, ca: agent.options.ca},
      (answer) => {
        answer.resume()
        resolve({status: answer.statusCode ?? 0, location: answer.headers.location ?? ''})
      },
    )
    asked.on('error', reject)
    asked.end(body)
  })
}

async function follow(agent: Agent, url: string, headers: Record<string, string>) {
  const stream = await new Promise<ReadableStream>((resolve, reject) => {
    request(url, {headers, agent}, (answer) => {
      resolve(ReadableStream.from(answer))
    })
      .on('error', reject)
      .end()
  })
  return await delaysOf(new Response(stream))
}
