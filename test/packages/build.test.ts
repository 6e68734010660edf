// The packages are built from the source package alone, without Node and network, always the same, and as Debian wants them.
import {execFileSync} from 'node:child_process'
import {mkdirSync, mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {needs} from '../support/needs.ts'
import {copySource, debianPackages} from '../support/packages.ts'

needs('machine')(
  'the source package builds without Node and network, twice the same, and lintian finds no fault',
  async (t) => {
    await debianPackages() // Makes debian/tree.
    const folder = mkdtempSync(join(tmpdir(), 'ostler-build-'))
    t.teardown(() => rmSync(folder, {recursive: true, force: true}))
    mkdirSync(join(folder, 'out'))
    copySource(join(folder, 'ostler'))
    execFileSync('dpkg-buildpackage', ['-S', '-us', '-uc', '-d', '-nc'], {
      cwd: join(folder, 'ostler'),
      stdio: 'pipe',
    })

    const docker = [
      'run',
      '--rm',
      '--network',
      'none',
      '--volume',
      `${folder}:/source:ro`,
      'ostler-test/builder',
    ]
    const said = execFileSync('docker', [...docker, 'sh', '-euc', twice], {
      encoding: 'utf8',
      timeout: 280_000,
      stdio: 'pipe',
    })
    const [first, second, faults] = said.split('---\n')
    t.is(first?.trimEnd().split('\n').length, 3)
    t.is(
      second,
      first,
      'the same bytes from another folder, at another time, with another umask, time zone and language',
    )
    t.is(faults, '')
  },
)

/** Prints what was made, what was made the second time, and each what lintian complains of. */
const twice = `
exec 3>&1 >&2
! command -v node
export DPKG_DEB_COMPRESSOR_TYPE=gzip DPKG_DEB_COMPRESSOR_LEVEL=1
build() {
  mkdir -p "$1" && cd "$1"
  dpkg-source --no-check -x /source/ostler_*.dsc tree >/dev/null
  (cd tree && dpkg-buildpackage -us -uc -b -d >../build.log 2>&1 || { tail -30 ../build.log; exit 1; })
  sha256sum *.deb >&3
  echo --- >&3
}
(umask 022; TZ=UTC build /tmp/one)
sleep 2
(umask 077; TZ=Asia/Tokyo LANG=de_DE build /var/tmp/two/deeper)
lintian --allow-root --fail-on none --tag-display-limit 0 /tmp/one/*.deb >/tmp/judged
grep '^[EW]:' /tmp/judged >&3 || true
`
