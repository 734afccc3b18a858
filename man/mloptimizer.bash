# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of mloptimizer for bash: commands, options and their values, as the program's --help has them.

_mloptimizer_help() {
  LC_ALL=C.UTF-8 "$@" --help 2> /dev/null
}

# Values of an option, by what --help shows behind its "=".
_mloptimizer_values() {
  local value=$1 shown=$2
  case $shown in
    *[A-Z]*'|'* | *'|'*[A-Z]*) ;; # names, not words
    *'|'*) COMPREPLY=($(compgen -W "${shown//|/ }" -- "$value")) ;;
    DIR) compopt -o filenames 2> /dev/null
      COMPREPLY=($(compgen -d -- "$value")) ;;
    FILE*) compopt -o filenames 2> /dev/null
      COMPREPLY=($(compgen -f -- "$value")) ;;
  esac
}

_mloptimizer() {
  local program=$1 word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} option= help shown
  COMPREPLY=()
  if [ "$COMP_CWORD" = 1 ]; then
    help=$(_mloptimizer_help "$program")
    COMPREPLY=($(compgen -W "--help --version $(sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' <<< "$help")" \
      -- "$word"))
    return
  fi
  local command=("${COMP_WORDS[1]}")
  [ "${COMP_WORDS[1]} ${COMP_WORDS[2]}" = "model import" ] && [ "$COMP_CWORD" -gt 2 ] && command+=(import)
  help=$(_mloptimizer_help "$program" "${command[@]}")
  # "=" is a word of its own here: --trace = FILE.
  if [ "$word" = = ]; then
    option=$before word=
  elif [ "$before" = = ]; then
    option=${COMP_WORDS[COMP_CWORD-2]}
  elif [[ $before == -* ]]; then
    option=$before
  fi
  if [ -n "$option" ]; then
    shown=$(sed -n "s/^  \(-[a-zA-Z], \)\?\(--[a-z-]*\)=\([^ ]*\).*/\1 \2 \3/p" <<< "$help" |
      while read -r short long rest; do
        [ -n "$rest" ] || { rest=$long long=$short short=; }
        case $option in "$long" | "${short%,}") echo "$rest" ;; esac
      done)
    [ -n "$shown" ] && { _mloptimizer_values "$word" "$shown"; return; }
  fi
  case $word in
    -*) COMPREPLY=($(compgen -W "$(sed -n 's/^  \(-[a-zA-Z], \)\?\(--[a-z-]*\).*/\2/p' <<< "$help")" \
        -- "$word")) ;;
    *) compopt -o filenames 2> /dev/null
      COMPREPLY=($(compgen -f -- "$word"))
      [ "${command[*]}" = model ] && [ "$COMP_CWORD" = 2 ] && COMPREPLY+=($(compgen -W import -- "$word")) ;;
  esac
}

complete -F _mloptimizer mloptimizer
