// The relay's program: systemd and its journal are reached by datagrams on Unix sockets, which Node does not have, and Perl
// is on every Debian. Frames come in on its standard input: N or J, the length in four bytes, the datagram.

export const relayProgram = `
use strict; use warnings; use Socket;
# It ends when whoever speaks through it has ended: the last words must still come through.
$SIG{$_} = 'IGNORE' for qw(TERM INT HUP QUIT PIPE USR1 USR2);
$0 = 'ostler-relay';
my %to;
for (['N', $ARGV[0]], ['J', $ARGV[1]]) {
  my ($name, $path) = @$_;
  next if $path eq '';
  $path =~ s/^@/\\0/;
  socket(my $socket, AF_UNIX, SOCK_DGRAM, 0) or next;
  setsockopt($socket, SOL_SOCKET, SO_SNDTIMEO, pack('l!l!', 2, 0));
  setsockopt($socket, SOL_SOCKET, SO_SNDBUF, pack('i', 8 * 1024 * 1024));
  $to{$name} = [$socket, pack_sockaddr_un($path), 0];
}
binmode STDIN;
while ((read(STDIN, my $head, 5) // 0) == 5) {
  my ($name, $length) = unpack 'a1 N', $head;
  my $body = '';
  (read(STDIN, $body, $length) // 0) == $length or last if $length > 0;
  my $one = $to{$name} or next;
  # A journal that stands still costs two seconds once, not two for each line: what systemd must hear comes behind it.
  my $sent = send($one->[0], $body, $one->[2] ? MSG_DONTWAIT : 0, $one->[1]);
  $one->[2] = defined $sent ? 0 : 1;
}
`
