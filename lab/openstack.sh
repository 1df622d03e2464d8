# lab/openstack.sh: Keystone and Glance of one site, as processes on a loopback address. Sourced.
#
# Services listen on their usual port + 10000; what the catalogue and every configuration name is the
# usual port of the same address, where the site's Cheops listens: so each credential check and each
# call between services passes Cheops. Nothing of the packages' own configuration is used.
#
# Databases are SQLite files in WAL mode. They and the Fernet keys are made once for the installed
# packages, in the cache folder: every site begins with a copy, so that users, projects and roles have
# the same identifiers and a token of one site is good at the others.

cache=${XDG_CACHE_HOME:-$HOME/.cache}/cheops-lab
export PATH=/usr/sbin:/usr/bin:/sbin:/bin

golden_dir() {
    echo "$cache/$(dpkg-query -W -f '${Version}' keystone | tr -c 'A-Za-z0-9\n' -)-$(dpkg-query -W -f '${Version}' glance-api | tr -c 'A-Za-z0-9\n' -)"
}

keystone_conf() { # DIR PUBLIC
    cat <<X
[DEFAULT]
use_stderr = false
log_file = $1/keystone.log
${2:+public_endpoint = $2}
[database]
connection = sqlite:///$1/keystone.db
[token]
provider = fernet
expiration = 43200
[fernet_tokens]
key_repository = $1/fernet
[credential]
key_repository = $1/credential
[cache]
enabled = true
backend = oslo_cache.dict
[oslo_policy]
policy_dirs = policy.d
X
}

# Makes the databases and keys that sites copy; once for the installed versions.
make_golden() {
    local g new
    g=$(golden_dir)
    [ -e "$g/done" ] && return
    new=$(mktemp -d "$cache.XXXXXX") || return
    keystone_conf "$new" >"$new/keystone.conf"
    printf '[DEFAULT]\nuse_stderr = false\nlog_file = %s/glance.log\n[database]\nconnection = sqlite:///%s/glance.db\n' \
        "$new" "$new" >"$new/glance.conf"
    glance-manage --config-file "$new/glance.conf" db_sync >"$new/glance.out" 2>&1 &
    local glance=$! manage="keystone-manage --config-file $new/keystone.conf"
    {
        $manage fernet_setup --keystone-user "$(id -un)" --keystone-group "$(id -gn)" &&
            $manage credential_setup --keystone-user "$(id -un)" --keystone-group "$(id -gn)" &&
            $manage db_sync && $manage bootstrap --bootstrap-password admin &&
            $manage bootstrap --bootstrap-username glance --bootstrap-project-name service \
                --bootstrap-role-name admin --bootstrap-password svc
    } >"$new/keystone.out" 2>&1 || { tail -5 "$new/keystone.out" "$new/keystone.log" >&2; return 1; }
    wait $glance || { tail -5 "$new/glance.out" >&2; return 1; }
    sqlite3 "$new/keystone.db" 'PRAGMA journal_mode=WAL' >/dev/null
    sqlite3 "$new/glance.db" 'PRAGMA journal_mode=WAL' >/dev/null
    touch "$new/done"
    mkdir -p "$cache" && { mv -T "$new" "$g" 2>/dev/null || rm -rf "$new"; }
}

# Puts the site's own addresses into its catalogue.
write_catalogue() { # DB REGION IP
    local i
    {
        echo "BEGIN; INSERT OR IGNORE INTO region (id,description,extra) VALUES ('$2','','{}');"
        for i in "identity keystone http://$3:5000/v3" "image glance http://$3:9292"; do
            set -- "$1" "$2" "$3" $i
            echo "INSERT INTO service (id,type,enabled,extra) VALUES ('$4','$4',1,'{\"name\":\"$5\"}');"
            for j in public internal admin; do
                echo "INSERT INTO endpoint (id,interface,service_id,url,extra,enabled,region_id) VALUES ('$4-$j','$j','$4','$6','{}',1,'$2');"
            done
        done
        echo "COMMIT;"
    } | sqlite3 "$1"
}

start_wsgi() { # DIR NAME ADDRESS FILE
    setsid uwsgi_python3 --http-socket "$3" --wsgi-file "$4" --processes 1 --threads 4 --enable-threads \
        --buffer-size 65535 --die-on-term --thunder-lock --lazy-apps --need-app --disable-logging \
        --listen 100 >"$1/$2.out" 2>&1 </dev/null &
    echo $! >>"$1/pids"
}

# Starts both services of a site; wait_site waits until they answer.
start_site() { # DIR SITE IP
    local d=$1 site=$2 ip=$3 g
    g=$(golden_dir)
    mkdir -p "$d"/{images,staging,tasks,lock}
    cp -r "$g"/{keystone.db,glance.db,fernet,credential} "$d/"
    write_catalogue "$d/keystone.db" "$site" "$ip" || return
    keystone_conf "$d" "http://$ip:5000" >"$d/keystone.conf"
    cp /usr/share/glance-common/glance-api-paste.ini /etc/glance/schema-image.json "$d/"
    cat >"$d/glance-api.conf" <<X
[DEFAULT]
use_stderr = false
log_file = $d/glance.log
enabled_backends = fs:file
[glance_store]
default_backend = fs
[fs]
filesystem_store_datadir = $d/images
[os_glance_staging_store]
filesystem_store_datadir = $d/staging
[os_glance_tasks_store]
filesystem_store_datadir = $d/tasks
[database]
connection = sqlite:///$d/glance.db
[paste_deploy]
flavor = keystone
[oslo_policy]
policy_dirs = policy.d
[oslo_concurrency]
lock_path = $d/lock
[keystone_authtoken]
www_authenticate_uri = http://$ip:5000/v3
auth_url = http://$ip:5000/v3
auth_type = password
username = glance
password = svc
project_name = service
user_domain_id = default
project_domain_id = default
region_name = $site
service_token_roles_required = true
service_token_roles = admin
X
    OS_KEYSTONE_CONFIG_DIR=$d OS_KEYSTONE_CONFIG_FILES=keystone.conf \
        start_wsgi "$d" keystone "$ip:15000" /usr/bin/keystone-wsgi-public
    OS_GLANCE_CONFIG_DIR=$d start_wsgi "$d" glance "$ip:19292" /usr/bin/glance-wsgi-api
}

# A URL answers within SECONDS.
wait_for() { # URL SECONDS WHAT LOG [curl option...]
    local end=$((SECONDS + $2)) url=$1 what=$3 log=$4
    shift 4
    until curl -s -o /dev/null -f -m 2 "$@" "$url"; do
        if [ $SECONDS -ge $end ]; then
            echo "$what did not answer at $url; its log ends:" >&2
            tail -5 "$log" >&2
            return 1
        fi
    done
}

# A command succeeds within SECONDS.
wait_until() { # SECONDS WHAT command...
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        if [ $SECONDS -ge $end ]; then
            echo "waited in vain for: $what" >&2
            return 1
        fi
    done
}
