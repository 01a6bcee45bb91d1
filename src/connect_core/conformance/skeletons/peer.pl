#!/usr/bin/perl
# A peer for `connect-core conformance run --stdio`: fill in the four functions.
#
# Each of them takes a request, and returns the outcome and the further members of its answer. "The
# line protocol" in the Connection specification says what both have.
use strict;
use warnings;

use JSON::PP ();

# Your Connections, by id.
my %connections;

# --- Fill these in --------------------------------------------------------------------------------

# Create a Connection to `destination` or from the document `body`; if ok: `connection`.
# `source`, `name`, `scopes` and `allow_self` may be given, too, unless there is a `body`.
sub create {
    my ($request) = @_;
    return { outcome => 'unsupported' };
}

# Take the `action` on the `connection`; `expected_version` may be given.
sub act {
    my ($request) = @_;
    return { outcome => 'not-found' };
}

# Say whether `by` may read data of the `scope` through the `connection` now.
sub share {
    my ($request) = @_;
    return { outcome => 'not-found' };
}

# Show the `connection` to `by`; if ok: `state`, a hash.
sub show {
    my ($request) = @_;
    return { outcome => 'not-found' };
}

# --- The line protocol ----------------------------------------------------------------------------

# Forget everything: what follows begins without Connections.
sub forget {
    %connections = ();
    return { outcome => 'ok' };
}

my %verbs = (create => \&create, act => \&act, share => \&share, read => \&show, close => \&forget);
my $json  = JSON::PP->new->ascii->canonical;

# Answer one request. A failure is an answer, too, and the next request is read.
sub answer_to {
    my ($line) = @_;
    my ($id, $answer);    # the id is not known yet
    eval {
        utf8::decode($line) && $line !~ /[\x{D800}-\x{DFFF}\x{110000}-\x{7FFFFFFF}]/
            or die "a request is in UTF-8\n";
        my $request = $json->decode($line);
        $id = 0 + ($request->{id} // die "a request has an id\n");
        my $verb    = $verbs{ $request->{verb} // '' };
        my $members = $verb ? $verb->($request) : { outcome => 'unsupported' };
        $answer = $json->encode({ protocol => 1, id => $id, %$members });
        1;
    } or $answer = $json->encode({ protocol => 1, id => $id, error => "$@" });
    return $answer;
}

$| = 1;    # each line is flushed
binmode $_ for *STDIN, *STDOUT;
while (my $line = <STDIN>) {
    print answer_to($line), "\n";
}
