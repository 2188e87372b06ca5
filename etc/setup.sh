# shellcheck shell=bash disable=SC2154
#
# What try and check share: the packages, a copy of the sources to build
# from, the build.  Sourced by bash; works from any directory, given $top.
#
# Nothing is built in the source tree itself, which may have been configured
# and built in place, may belong to another user, and may be read-only.

# The names of the packages of some kinds, as in: packages_of build test
packages_of()
{
	local kind

	for kind; do
		awk -v kind="$kind" '$1 == kind { print $2 }' \
		    "$top/etc/packages.debian"
	done
}

package_is_installed()
{
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = \
	    installed ]
}

packages_missing()
{
	local package

	for package in $(packages_of "$@"); do
		package_is_installed "$package" || echo "$package"
	done
}

# Run a command as root: as we are, or through sudo.
as_root()
{
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif ! command -v sudo >/dev/null; then
		echo "neither root nor sudo: cannot run $*" >&2
		return 1
	elif [ -t 0 ]; then
		sudo "$@"
	else
		sudo -n "$@"
	fi
}

apt()
{
	as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
	    apt-get -q -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@"
}

# Install what is missing; nothing is asked of the network when nothing is.
# A package for tests that the distribution does not have is left out.
packages_install()
{
	local missing package wanted=

	missing=$(packages_missing "$@")
	[ -n "$missing" ] || return 0
	if ! command -v apt-get >/dev/null; then
		echo "not a Debian system, install what is like these:" $missing
		return 0
	fi
	echo "missing:" $missing
	apt update || echo "apt-get update failed; trying what is known"
	for package in $missing; do
		if packages_of build | grep -qx "$package" ||
		    apt-cache show "$package" >/dev/null 2>&1; then
			wanted="$wanted $package"
		else
			echo "not in this distribution: $package"
		fi
	done
	[ -z "$wanted" ] || apt install --no-install-recommends $wanted
}

# The files of the source tree without anything built, one name a line.
source_list()
{
	local git=(git -c "safe.directory=*" -C "$top")

	if [ "$("${git[@]}" rev-parse --show-toplevel 2>/dev/null)" = \
	    "$top" ]; then
		"${git[@]}" ls-files -co --exclude-standard
	else
		(cd "$top" && find . -type f ! -path './build*' \
		    ! -path './.git/*' ! -path '*/.deps/*' \
		    ! -path '*/autom4te.cache/*' ! -path '*/__pycache__/*' \
		    ! -name '*.o' ! -name '*.a' ! -name '.dirstamp' \
		    ! -name '*.log' ! -name '*.trs' ! -path ./Makefile \
		    ! -path ./config.status ! -path ./config.h \
		    ! -path ./stamp-h1)
	fi
}

# source_copy DIR: make DIR a copy of the sources.  A file that is as it was
# keeps its time there, any other one gets the time of now, so that the next
# make builds what has changed, whatever time a file had in the tree.
source_copy()
{
	local magic name

	rm -rf "$1.new" && mkdir -p "$1.new" || return
	source_list | sed 's|^\./||' | while IFS= read -r name; do
		[ -f "$top/$name" ] || continue
		if [ -x "$top/$name" ]; then
			# A program that was built in place is no source.
			magic=$(head -c 4 "$top/$name" | tr -d '\0')
			[ "$magic" != $'\177ELF' ] || continue
		fi
		printf '%s\n' "$name"
	done | sort >"$1.list"
	tar -C "$top" -T "$1.list" -cf - | tar -C "$1.new" -xmf - || return
	while IFS= read -r name; do
		! cmp -s "$1/$name" "$1.new/$name" ||
			touch -r "$1/$name" "$1.new/$name"
	done <"$1.list"
	rm -rf "$1" && mv "$1.new" "$1" && (cd "$1" && autoreconf -fi)
}

# build SOURCE DIR TARGET... -- OPTION...: configure with the options and make
# the targets, one after the other.
build()
{
	local source=$1 dir=$2 target targets=

	shift 2
	while [ "$1" != -- ]; do
		targets="$targets $1"
		shift
	done
	shift
	mkdir -p "$dir" && (cd "$dir" && "$source/configure" -q "$@") || return
	for target in $targets; do
		make -C "$dir" -s -j"$(nproc)" "$target" || return
	done
}

# Run with sudo in a user's clone, leave nothing there that the user cannot
# remove.
give_back()
{
	if [ "$(id -u)" = 0 ] && [ "$(stat -c %u "$top")" != 0 ]; then
		chown -R -h --reference="$top" "$@" 2>/dev/null
	fi
	return 0
}
