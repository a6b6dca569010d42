#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# ucd_tables.pl DUMP…: the tables of base/ucd.c, from the dumps of ucd_dump.pl or ucd_dump.c, one a
# Unicode version. Blocks of 64 characters and records are shared by all versions.
use strict;
use warnings;

my @CATEGORIES = qw(Cn Lu Ll Lt Lm Lo Mn Me Mc Nd Nl No Zs Zl Zp Cc Cf Co Cs Pd Ps Pe Pc Po Sm Sc Sk
                    So Pi Pf);
my %number = map { $CATEGORIES[$_] => $_ } 0 .. $#CATEGORIES;
my ($BLOCK, $CODES) = (64, 0x110000);
my %FLAG = (C => 1, I => 2, W => 4, D => 8, S => 16); # as in wetmill/ucd.h

my (@versions, %records, @records, %blocks, @blocks, %decomposed, %special);
my @index;

sub read_dump {
    my ($path) = @_;
    my ($version, @rows, %has);
    open my $in, '<', $path or die "$path: $!\n";
    while (<$in>) {
        my ($kind, @field) = split;
        if ($kind eq 'version') {
            $version = $field[0];
        } elsif ($kind eq 'c') {
            push @rows, [hex $field[0], hex $field[1], @field[2 .. 5]];
        } else {
            my ($code, @parts) = map { hex } @field;
            my $all = $kind eq 'd' ? \%decomposed : \%special;
            $has{$code} .= $kind eq 'd' ? 'D' : 'S';
            die "$path: U+", sprintf('%04X', $code), " maps otherwise than in another version\n"
                if $all->{$code} && "@{$all->{$code}}" ne "@parts";
            $all->{$code} = \@parts;
        }
    }
    die "$path: no version\n" unless $version;
    return ($version, \@rows, \%has);
}

sub record {
    my ($category, $combining, $flags, $delta) = @_;
    my $bits = 0;
    $bits |= $FLAG{$_} for grep { $_ ne '-' } split //, $flags;
    die "no category $category\n" unless defined $number{$category};
    my $text = "{$delta, $number{$category}, $combining, $bits}";
    $records{$text} //= push(@records, $text) - 1;
    return $records{$text};
}

for my $path (@ARGV) {
    my ($version, $rows, $has) = read_dump($path);
    my @all;
    for (@$rows) {
        my ($first, $last, @what) = @$_;
        push @all, (record(@what)) x ($last - $first + 1);
        for my $code (grep { $has->{$_} } $first .. $last) {
            my @more = @what;
            $more[2] .= $has->{$code};
            $all[$code] = record(@more);
        }
    }
    die "$path: ", scalar @all, " characters\n" unless @all == $CODES;
    my @index_of;
    for (my $code = 0; $code < $CODES; $code += $BLOCK) {
        my $key = join ',', @all[$code .. $code + $BLOCK - 1];
        $blocks{$key} //= push(@blocks, $key) - 1;
        push @index_of, $blocks{$key};
    }
    push @versions, $version;
    push @index, \@index_of;
}
die "more than 256 records\n" if @records > 256;

# Values as C text in lines of at most 100 columns; runs as R256(x), R64(x), R16(x), R4(x).
sub values_text {
    my @tokens;
    while (@_) {
        my $n = 1;
        $n++ while $n < @_ && $_[$n] eq $_[0];
        my $value = $_[0];
        splice @_, 0, $n;
        for my $size (1024, 256, 64, 16, 4) {
            push(@tokens, "R$size($value)"), $n -= $size while $n >= $size;
        }
        push @tokens, ($value) x $n;
    }
    my ($text, $line) = ('', '');
    for (@tokens) {
        if (length($line) + length($_) + 1 > 100) {
            $text .= "$line\n";
            $line = '';
        }
        $line .= "$_,";
    }
    return "$text$line\n";
}

my $names = join ' and ', @versions;
print <<"END";
/* SPDX-License-Identifier: Apache-2.0 */
/* Made by tools/ucd.sh from the data of Unicode $names; not to be edited.
 * Unicode data files are Copyright Unicode, Inc., under the Unicode License. */
#define R4(x) x, x, x, x
#define R16(x) R4(x), R4(x), R4(x), R4(x)
#define R64(x) R16(x), R16(x), R16(x), R16(x)
#define R256(x) R64(x), R64(x), R64(x), R64(x)
#define R1024(x) R256(x), R256(x), R256(x), R256(x)
END
print "static const struct wm_ucd_record ucd_records[] = {\n", values_text(@records), "};\n";
print "static const uint8_t ucd_entries[][64] = {\n";
print "{", values_text(split /,/, $_), "},\n" for @blocks;
print "};\n";
for my $i (0 .. $#versions) {
    (my $name = $versions[$i]) =~ s/^(\d+)\.(\d+).*/${1}_$2/;
    print "static const uint16_t ucd_blocks_$name\[] = {\n", values_text(@{$index[$i]}), "};\n";
}
my (@codes, @offsets, @parts);
for (sort { $a <=> $b } keys %decomposed) {
    push @codes, sprintf '0x%X', $_;
    push @offsets, scalar @parts;
    push @parts, map { sprintf '0x%X', $_ } @{$decomposed{$_}};
}
print "static const uint32_t ucd_decomposed[] = {\n", values_text(@codes), "};\n";
print "static const uint16_t ucd_parts_begin[] = {\n", values_text(@offsets, scalar @parts), "};\n";
print "static const uint32_t ucd_parts[] = {\n", values_text(@parts), "};\n";
my @lower = map { my $code = $_; my @to = @{$special{$code}};
    die "lower case of more than two characters\n" if @to > 2;
    sprintf '{0x%X, {0x%X, 0x%X}}', $code, @to } sort { $a <=> $b } keys %special;
print "static const struct special_lower ucd_special_lower[] = {\n", values_text(@lower), "};\n";
