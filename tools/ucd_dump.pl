#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# Prints what base/ucd_tables.inc needs of this Perl's Unicode data, in the form of ucd_dump.c.
# The data are Perl's own unicore files (Debian: perl-modules; Perl 5.36 has Unicode 14.0.0).
use strict;
use warnings;
use Unicode::UCD qw(prop_invmap prop_value_aliases);

my $LAST = 0x10FFFF;
printf "version %s\n", Unicode::UCD::UnicodeVersion();

# The value of a property at each code point where it changes, as pairs.
sub changes {
    my ($property) = @_;
    my ($starts, $values, $format, $default) = prop_invmap($property);
    die "no property $property\n" unless ref $starts;
    return ($starts, $values, $format, $default);
}

# A property as a function of rising code points.
sub walker {
    my ($property) = @_;
    my ($starts, $values) = changes($property);
    my $i = 0;
    return sub {
        my ($code) = @_;
        $i++ while $i + 1 < @$starts && $starts->[$i + 1] <= $code;
        return ($values->[$i], $code - $starts->[$i]);
    };
}

my %short; # general category, "Uppercase_Letter" or "Lu" => "Lu"
my ($gc, $ccc, $cased, $ignorable, $space) = map { walker($_) } qw(Gc Ccc Cased CI WSpace);
my ($lower, $full) = map { walker($_) } qw(Simple_Lowercase_Mapping Lowercase_Mapping);
my ($mapping, $type) = map { walker($_) } qw(Dm Dt);

my ($first, $row) = (0, '');
my (%canonical, @special);
for my $code (0 .. $LAST + 1) {
    my $now = '';
    if ($code <= $LAST) {
        my ($category) = $gc->($code);
        $category = $short{$category} //= (prop_value_aliases('Gc', $category))[0];
        my ($combining) = $ccc->($code);
        $combining = (prop_value_aliases('Ccc', $combining))[0] if $combining !~ /^\d+$/;
        my $flags = '';
        for (['C', $cased], ['I', $ignorable], ['W', $space]) {
            my ($value) = $_->[1]->($code);
            $flags .= $_->[0] if $value eq 'Y' || $value eq 'Yes';
        }
        my ($to, $offset) = $lower->($code);
        my $delta = $to ? $to + $offset - $code : 0;
        my ($all) = $full->($code);
        push @special, [$code, @$all] if ref $all;
        my ($kind) = $type->($code);
        if ($kind eq 'Canonical' || $kind eq 'Can' || $kind eq 'can') {
            my ($parts, $over) = $mapping->($code);
            $canonical{$code} = ref $parts ? $parts : [$parts + $over]
                unless $code >= 0xAC00 && $code <= 0xD7A3;
        }
        $now = sprintf '%s %d %s %d', $category, $combining, $flags || '-', $delta;
    }
    next if $now eq $row;
    printf "c %X %X %s\n", $first, $code - 1, $row if $row ne '';
    ($first, $row) = ($code, $now);
}

sub decomposed {
    return map { $canonical{$_} ? decomposed(@{$canonical{$_}}) : $_ } @_;
}
printf "d %s\n", join ' ', map { sprintf '%X', $_ } $_, decomposed($_)
    for sort { $a <=> $b } keys %canonical;
printf "l %s\n", join ' ', map { sprintf '%X', $_ } @$_ for @special;
