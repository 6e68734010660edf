// What the master's charm says to proxies, authorities and collectors, and what it makes of a certificate.
import test from 'ava'
import {Controller} from './controller.ts'
import * as juju from './model.ts'

/** A master at rest, related to a stand-in of this interface, whose bags the test writes. */
function masterWith(endpoint: string, theirs: string, role: 'provides' | 'requires'): Controller {
  const controller = new Controller()
  controller.deploy('ostler-master', 'master', {
    configuration: 'title: ours',
    database: 'embedded',
    'external-url': 'https://ci.example.org/ostler',
  })
  controller.addUnit('ostler-master')
  const known = controller.model.applications['ostler-master']!.endpoints[endpoint]!
  juju.addApplication(controller.model, 'other', {
    charm: 'other',
    endpoints: {[theirs]: {role, interface: known.interface}},
  })
  controller.addUnit('other')
  juju.integrate(controller.model, ['ostler-master', endpoint], ['other', theirs])
  controller.settle()
  return controller
}

const relation = (controller: Controller) =>
  Object.values(controller.model.relations).find(({ends}) => ends.length === 2)!
const said = (controller: Controller) => relation(controller).bags['ostler-master/0']!

/** The other side says something in its application's bag. */
function answers(controller: Controller, bag: Record<string, string>): void {
  const before = structuredClone(controller.model)
  relation(controller).appBags['other'] = bag
  juju.tellChanges(before, controller.model)
  controller.settle()
}

test('a simple proxy is told where the unit listens', (t) => {
  const controller = masterWith('website', 'reverseproxy', 'requires')
  t.like(said(controller), {hostname: '10.0.0.1', port: '8010'})
  juju.setConfig(controller.model, 'ostler-master', {port: 9000})
  controller.settle()
  t.like(said(controller), {port: '9000'})
  t.deepEqual(controller.model.units['ostler-master/0']?.ports, ['9000/tcp'])
})

test('haproxy is told the service, its name and how to check it, in JSON', (t) => {
  const controller = masterWith('haproxy-route', 'haproxy-route', 'provides')
  t.is(said(controller)['address'], '"10.0.0.1"')
  const bag = relation(controller).appBags['ostler-master']!
  const read = Object.fromEntries(
    Object.entries(bag).map(([name, value]) => [name, JSON.parse(value) as unknown]),
  )
  t.like(read, {service: 'ci-ostler-master', ports: [8010], hostname: 'ci.example.org', protocol: 'http'})
  t.like(read['check'], {path: '/healthz'})
})

test('a collector is told where the metrics are', (t) => {
  const controller = masterWith('cos-agent', 'agent', 'requires')
  const {metrics_scrape_jobs: jobs} = JSON.parse(said(controller)['config'] ?? '{}') as Record<
    string,
    unknown
  >
  t.deepEqual(jobs, [{job_name: 'ostler', path: '/metrics', port: '8010'}])
})

test('a certificate is asked for, taken up with its chain, renewed, and given up with its relation', (t) => {
  const controller = masterWith('certificates', 'certificates', 'provides')
  const machine = controller.machine('ostler-master/0')
  const [asked] = JSON.parse(said(controller)['certificate_signing_requests'] ?? '[]') as Record<
    string,
    string
  >[]
  const request = asked?.['certificate_signing_request'] ?? ''
  t.regex(request, /^-----BEGIN req-----/)
  const issue = (certificate: string) => ({
    certificates: JSON.stringify([
      {certificate: 'of another', ca: 'CA', chain: [], certificate_signing_request: 'another'},
      {certificate, ca: 'CA', chain: [certificate, 'MIDDLE'], certificate_signing_request: `${request}\n`},
    ]),
  })
  answers(controller, issue('FIRST'))
  t.is(machine.read('/etc/ostler/tls/certificate.pem'), 'FIRST\nMIDDLE\n')
  t.is(machine.read('/etc/ostler/tls/authority.pem'), 'CA\n')
  t.true(
    machine.read('/etc/ostler/master.env')?.includes('OSTLER_TLS_CERT="/etc/ostler/tls/certificate.pem"'),
  )
  t.is(machine.changes.at(-1), 'restart buildmaster.service')
  const key = machine.read('/etc/ostler/tls/key.pem')

  answers(controller, issue('SECOND'))
  t.is(machine.read('/etc/ostler/tls/certificate.pem'), 'SECOND\nMIDDLE\n')
  t.is(machine.changes.at(-1), 'reload buildmaster.service')
  t.is(machine.read('/etc/ostler/tls/key.pem'), key)

  juju.removeRelation(controller.model, relation(controller))
  controller.settle()
  t.is(machine.read('/etc/ostler/tls/certificate.pem'), null)
  t.false(machine.read('/etc/ostler/master.env')?.includes('OSTLER_TLS_CERT'))
  t.is(controller.status('ostler-master/0'), 'active: 0 workers, 0 building')
})

test('another name wants another certificate', (t) => {
  const controller = masterWith('certificates', 'certificates', 'provides')
  const asked = controller.history.flatMap(({done}) =>
    done.filter(({order}) => order === 'make-certificate-request'),
  )
  t.deepEqual(asked, [{order: 'make-certificate-request', names: ['ci.example.org', '10.0.0.1']}])
  juju.setConfig(controller.model, 'ostler-master', {'external-url': 'https://other.example.org'})
  controller.settle()
  t.deepEqual(controller.history.at(-1)?.done[0], {
    order: 'make-certificate-request',
    names: ['other.example.org', '10.0.0.1'],
  })
})
