if [ "$1" -eq 0 ]; then
    if [ -d /run/systemd/system ]; then systemctl stop hostnorm.socket hostnorm.service hostnorm-remediate.service || :; fi
    systemctl --no-reload disable hostnorm.socket hostnorm.service hostnorm-remediate.service || :
fi
