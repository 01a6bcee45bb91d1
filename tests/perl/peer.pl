# An implementation of the Connection specification in Perl, without anything that does not come
# with it. It was written from docs/specification.md and the schema of the line protocol alone, has
# every capability, and gives our answers to the open points. It reads a request a line from
# standard input, and writes an answer a line to standard output:
#
#   perl tests/perl/peer.pl

use v5.14;
use strict;
use warnings;
use utf8;

use JSON::PP    ();
use List::Util  qw(max uniq);
use POSIX       qw(strftime);
use Time::HiRes qw(time);

# The actions: the statuses from which each can be taken, its roles, and what it leads to.
my %ACTION = (
    activate   => { from => ['pending'], roles => ['destination'], to => 'active' },
    reactivate => { from => ['inactive'], roles => ['source'], to => 'pending' },
    deactivate => {
        from  => ['pending', 'active'],
        roles => ['source', 'destination'],
        to    => 'inactive',
    },
);

# The HTTP status of each refusal. A document that is not JSON has one of its own.
my %HTTP = (
    'not-a-party'     => 403,
    'not-found'       => 404,
    'wrong-role'      => 403,
    'wrong-status'    => 409,
    'already-exists'  => 409,
    'self-connection' => 422,
    'stale'           => 412,
    'invalid'         => 422,
    'denied'          => 403,
);

my @DEFAULT_SCOPES = ('account.read', 'inquiry.read');
my $MOST_CHARACTERS = 255;
my $MOST_SCOPES = 64;

my %VERB = (
    create => \&create,
    act    => \&act,
    share  => \&share,
    read   => \&read_state,
    close  => \&forget,
);

my %connections;    # by id
my %id_of_pair;     # of the source and the destination, joined by a space, which no id has

# The verbs. Each takes a request, and returns the members of its answer.

sub create {
    my ($request) = @_;
    my ($by, $terms) = ($request->{by}, $request);
    if (exists $request->{body}) {
        my $document = eval { parse_json($request->{body}) };
        if ($@) {
            die $@ if $@ !~ /\ANot JSON/;
            return { outcome => 'invalid', pointers => [''], http => 400 };
        }
        my @problems = uniq(repeated($document, ''), document_problems($document, ''));
        return { outcome => 'invalid', pointers => \@problems } if @problems;
        $terms = terms_of($document);
    }
    my ($source, $destination) = ($terms->{source} // $by, $terms->{destination});
    return { outcome => $destination eq $by ? 'wrong-role' : 'not-a-party' } if $source ne $by;

    my @scopes = uniq(@{ $terms->{scopes} // \@DEFAULT_SCOPES });
    my $valid =
           length $destination <= $MOST_CHARACTERS
        && (!defined $terms->{name} || is_name($terms->{name}))
        && @scopes >= 1
        && @scopes <= $MOST_SCOPES
        && !grep { !is_scope($_) } @scopes;
    return { outcome => 'invalid' } if !$valid;
    return { outcome => 'self-connection' } if $source eq $destination && !$terms->{allow_self};
    return { outcome => 'already-exists' } if exists $id_of_pair{"$source $destination"};

    my $connection = {
        id          => new_id(),
        source      => $source,
        destination => $destination,
        name        => $terms->{name},
        scopes      => [sort @scopes],
        creator     => 'api_' . substr($by, length 'org_'),
        events      => [],
    };
    record($connection, 'create', 'pending', $by);
    $connections{ $connection->{id} } = $connection;
    $id_of_pair{"$source $destination"} = $connection->{id};
    return { outcome => 'ok', connection => $connection->{id}, http => 201 };
}

sub act {
    my ($request) = @_;
    my ($connection, %roles) = connection_and_roles($request) or return { outcome => 'not-found' };
    my $action = $ACTION{ $request->{action} } or return { outcome => 'unsupported' };
    return { outcome => 'wrong-role' } if !grep { $roles{$_} } @{ $action->{roles} };

    my $expected = $request->{expected_version};
    return { outcome => 'stale' } if defined $expected && $expected != @{ $connection->{events} };
    return { outcome => 'wrong-status' }
        if !grep { $_ eq $connection->{status} } @{ $action->{from} };

    record($connection, $request->{action}, $action->{to}, $request->{by});
    return { outcome => 'ok' };
}

sub share {
    my ($request) = @_;
    my ($connection, %roles) = connection_and_roles($request) or return { outcome => 'not-found' };
    my $permitted =
           $roles{destination}
        && $connection->{status} eq 'active'
        && grep { $_ eq $request->{scope} } @{ $connection->{scopes} };
    return { outcome => $permitted ? 'ok' : 'denied' };
}

sub read_state {
    my ($request) = @_;
    my ($connection) = connection_and_roles($request) or return { outcome => 'not-found' };
    my %state = map { $_ => $connection->{$_} } qw(status source destination name scopes events);
    $state{version}    = scalar @{ $connection->{events} };
    $state{created_at} = timestamp($connection->{created});
    $state{updated_at} = timestamp($connection->{updated});
    $state{document}   = connection_document($connection);
    return { outcome => 'ok', state => \%state };
}

sub forget {
    %connections = %id_of_pair = ();
    return { outcome => 'ok' };
}

# The Connection that a request is about, and the roles of the actor in it; nothing for outsiders.
sub connection_and_roles {
    my ($request) = @_;
    my $connection = $connections{ $request->{connection} } or return;
    my %roles = map { $_ => 1 } grep { $connection->{$_} eq $request->{by} } qw(source destination);
    return %roles ? ($connection, %roles) : ();
}

# A change: the new status, an event, and the time, which never moves backwards.
sub record {
    my ($connection, $action, $status, $organization) = @_;
    push @{ $connection->{events} }, {
        version         => @{ $connection->{events} } + 1,
        action          => $action,
        previous_status => $connection->{status},
        status          => $status,
        organization    => $organization,
    };
    $connection->{status}  = $status;
    $connection->{updated} = max(int(time * 1000), $connection->{updated} // 0);
    $connection->{created} //= $connection->{updated};
    return;
}

sub connection_document {
    my ($connection) = @_;
    return {
        data => {
            type       => 'connect/connections',
            id         => $connection->{id},
            attributes => {
                'token'                       => $connection->{id},
                'name'                        => $connection->{name},
                'status'                      => $connection->{status},
                'organization-id'             => $connection->{source},
                'destination-organization-id' => $connection->{destination},
                'scopes'                      => $connection->{scopes},
                'creator-id'                  => $connection->{creator},
                'creator-type' => $connection->{creator} =~ /\Aapi_/ ? 'api-key' : 'user',
                'created-at'   => timestamp($connection->{created}),
                'updated-at'   => timestamp($connection->{updated}),
            },
        },
    };
}

sub timestamp {
    my ($milliseconds) = @_;
    my $seconds = strftime('%Y-%m-%dT%H:%M:%S', gmtime int($milliseconds / 1000));
    return sprintf '%s.%03dZ', $seconds, $milliseconds % 1000;
}

# An id that nobody can guess. Bytes from 232, four times 58, are left out: they would make some
# characters likelier than others.
sub new_id {
    my @base58 = (1 .. 9, 'A' .. 'H', 'J' .. 'N', 'P' .. 'Z', 'a' .. 'k', 'm' .. 'z');
    open my $random, '<:raw', '/dev/urandom' or die "/dev/urandom: $!\n";
    my $id = 'cxn_';
    while (length $id < 32) {
        my $byte = ord getc $random;
        $id .= $base58[$byte % 58] if $byte < 232;
    }
    return $id;
}

# Names, scopes and create documents. What checks a value of a document takes it and its place, a
# JSON Pointer, and returns the places of the problems.

sub is_text { my ($value) = @_; return defined $value && !ref $value }

sub is_name {
    my ($value) = @_;
    return is_text($value) && length $value <= $MOST_CHARACTERS && $value !~ /[\p{Cc}\p{Cs}]/;
}

sub is_scope {
    my ($value) = @_;
    return is_text($value)
        && length $value <= $MOST_CHARACTERS
        && $value =~ /\A[a-z][a-z0-9_-]*\.[a-z][a-z0-9_-]*\z/;
}

sub is_type {
    my ($value) = @_;
    return is_text($value) && $value =~ m{\Aconnect/connections?\z};
}

sub is_destination {
    my ($value) = @_;
    return is_text($value)
        && length $value <= $MOST_CHARACTERS
        && $value =~ /\Aorg_[A-Za-z0-9_-]+\z/;
}

sub document_problems {
    my $attributes = object_of(
        'destination-organization-id',
        'destination-organization-id' => value_that(\&is_destination),
        'name'                        => value_that(sub { !defined $_[0] || is_name($_[0]) }),
        'scopes'                      => \&scopes_problems,
    );
    my $data = object_of('attributes', type => value_that(\&is_type), attributes => $attributes);
    return object_of('data', data => $data)->(@_);
}

sub value_that {
    my ($is_right) = @_;
    return sub { my ($value, $place) = @_; return $is_right->($value) ? () : $place };
}

# A check of an object that needs one member and may have the others.
sub object_of {
    my ($required, %checks) = @_;
    return sub {
        my ($value, $place) = @_;
        return $place if ref $value ne 'HASH';
        my $members = $value->{members};
        my @problems = exists $members->{$required} ? () : $place;
        for my $name (keys %$members) {
            my $check = $checks{$name} // value_that(sub { 0 });
            push @problems, $check->($members->{$name}, pointer($place, $name));
        }
        return @problems;
    };
}

sub scopes_problems {
    my ($value, $place) = @_;
    return $place if ref $value ne 'ARRAY';
    my $different = uniq(grep { is_text($_) } @$value);
    $different += grep { !is_text($_) } @$value;
    return $place if $different < 1 || $different > $MOST_SCOPES;
    return map { pointer($place, $_) } grep { !is_scope($value->[$_]) } 0 .. $#$value;
}

# The places of the members that occur twice, however deep.
sub repeated {
    no warnings 'recursion';
    my ($value, $place) = @_;
    if (ref $value eq 'ARRAY') {
        return map { repeated($value->[$_], pointer($place, $_)) } 0 .. $#$value;
    }
    return if ref $value ne 'HASH';
    my ($members, $twice) = @$value{qw(members twice)};
    return map {
        my $inner = pointer($place, $_);
        ($twice->{$_} ? $inner : (), repeated($members->{$_}, $inner));
    } keys %$members;
}

# An answer has no unpaired surrogates: a member whose name has one is told by the object around it.
sub pointer {
    my ($place, $token) = @_;
    return $place if $token =~ /\p{Cs}/;
    return "$place/" . ($token =~ s/~/~0/gr =~ s{/}{~1}gr);
}

sub terms_of {
    my ($document) = @_;
    my $attributes = $document->{members}{data}{members}{attributes}{members};
    return {
        destination => $attributes->{'destination-organization-id'},
        name        => $attributes->{name},
        scopes      => $attributes->{scopes},
    };
}

# JSON, read so that nothing in it is lost. A text is a string, null is undef, an array is one of
# Perl's, any other value without members is a reference to its text; an object is a hash of its
# `members` and of the names that stand in it `twice`.

my %ESCAPED = (b => "\b", f => "\f", n => "\n", r => "\r", t => "\t");
my $SPACE = qr/[ \t\n\r]*/;
my $NUMBER = qr/-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/;
my $HEX = qr/[0-9A-Fa-f]/;

sub parse_json {
    my ($text) = @_;
    my $value = parse_value(\$text, 0);
    $text =~ /\G$SPACE\z/gc or not_json(\$text);
    return $value;
}

sub not_json {
    my ($in) = @_;
    die 'Not JSON, from character ' . (pos($$in) // 0) . " on\n";
}

sub parse_value {
    no warnings 'recursion';
    my ($in, $depth) = @_;
    $$in =~ /\G$SPACE/gc;
    return parse_text($in)               if $$in =~ /\G"/gc;
    return undef                         if $$in =~ /\Gnull/gc;
    return \"$1"                         if $$in =~ /\G(true|false)/gc;
    return \"$1"                         if $$in =~ /\G($NUMBER)/gc && length $1 <= 1000;
    not_json($in)                        if $depth == 100;
    return parse_array($in, $depth + 1)  if $$in =~ /\G\[/gc;
    return parse_object($in, $depth + 1) if $$in =~ /\G\{/gc;
    not_json($in);
}

sub parse_array {
    no warnings 'recursion';
    my ($in, $depth) = @_;
    my @elements;
    return \@elements if $$in =~ /\G$SPACE\]/gc;
    do { push @elements, parse_value($in, $depth) } while $$in =~ /\G$SPACE,/gc;
    $$in =~ /\G$SPACE\]/gc or not_json($in);
    return \@elements;
}

sub parse_object {
    no warnings 'recursion';
    my ($in, $depth) = @_;
    my (%members, %twice);
    return { members => {}, twice => {} } if $$in =~ /\G$SPACE\}/gc;
    do {
        $$in =~ /\G$SPACE"/gc or not_json($in);
        my $name = parse_text($in);
        $$in =~ /\G$SPACE:/gc or not_json($in);
        $twice{$name} = 1 if exists $members{$name};
        $members{$name} = parse_value($in, $depth);
    } while $$in =~ /\G$SPACE,/gc;
    $$in =~ /\G$SPACE\}/gc or not_json($in);
    return { members => \%members, twice => \%twice };
}

# What follows the opening quotation mark.
sub parse_text {
    my ($in) = @_;
    my $text = '';
    until ($$in =~ /\G"/gc) {
        if    ($$in =~ /\G([^"\\\x00-\x1F]+)/gc)   { $text .= $1 }
        elsif ($$in =~ m{\G\\(["\\/bfnrt])}gc)     { $text .= $ESCAPED{$1} // $1 }
        elsif ($$in =~ /\G\\u([Dd][89ABab]$HEX{2})\\u([Dd][C-Fc-f]$HEX{2})/gc) {
            $text .= chr(0x10000 + (hex($1) - 0xD800) * 0x400 + hex($2) - 0xDC00);
        }
        elsif ($$in =~ /\G\\u($HEX{4})/gc)         { $text .= chr hex $1 }
        else                                       { not_json($in) }
    }
    return $text;
}

# The line protocol.

my $json = JSON::PP->new->utf8->canonical;

sub answer {
    my ($request) = @_;
    my $verb = $VERB{ $request->{verb} } or return { outcome => 'unsupported' };
    my $answer = $verb->($request);
    $answer->{http} //= $HTTP{ $answer->{outcome} } // 200
        if $verb != \&forget && $answer->{outcome} ne 'unsupported';
    return $answer;
}

binmode STDIN,  ':raw';
binmode STDOUT, ':raw';
$| = 1;
while (my $line = <STDIN>) {
    my $request = $json->decode($line);
    my $answer = eval { answer($request) } // { error => "$@" };
    print $json->encode({ protocol => 1, id => $request->{id}, %$answer }), "\n";
}
