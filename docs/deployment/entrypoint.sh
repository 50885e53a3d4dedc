#!/bin/sh
# Takes what the entry point of Distribution's images takes: a configuration file, or a command.
set -e
case "$1" in
  *.yml | *.yaml)
    export REGISTRY_CONFIGURATION_PATH="$1"
    set -- /opt/entrepot/bin/entrepot serve "$@"
    ;;
  serve)
    if [ -n "$2" ]; then export REGISTRY_CONFIGURATION_PATH="$2"; fi
    set -- /opt/entrepot/bin/entrepot "$@"
    ;;
  help)
    set -- /opt/entrepot/bin/entrepot --help
    ;;
  alive | auth | config | delete | drivers | du | export | garbage-collect | import | migrate | \
    notifications | plugins | readonly | reindex | retention | scrub | status | undelete | \
    uploads | -*)
    set -- /opt/entrepot/bin/entrepot "$@"
    ;;
esac
exec "$@"
