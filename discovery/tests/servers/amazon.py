"""A server that speaks as EC2 and ECS do, on loopback. Each line that it is told is answered by one line."""

import sys
import urllib.request

try:
    import boto3
    from moto.moto_api import state_manager
    from moto.server import ThreadedMotoServer
except ImportError as missing:
    sys.exit(f"{missing.name} is not installed")

REGION = "eu-west-1"
# By default a task is a step nearer to its end each time that somebody looks at it.
state_manager.set_transition("ecs::task", {"progression": "manual", "times": 10**9})
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
url = f"http://{host}:{port}"


def client(service):
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    return boto3.client(service, region_name=REGION, endpoint_url=url, **keys)


ec2, ecs, iam = client("ec2"), client("ecs"), client("iam")
subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
image = ec2.describe_images()["Images"][0]["ImageId"]


def instance(cluster):
    """Starts one with this tag; its address."""
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "skep:cluster", "Value": cluster}]}]
    made = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, SubnetId=subnet, TagSpecifications=tags)
    return made["Instances"][0]["PrivateIpAddress"]


def terminate(address):
    """Ends the instance at this address."""
    wanted = [{"Name": "private-ip-address", "Values": [address]}]
    found = ec2.describe_instances(Filters=wanted)["Reservations"][0]["Instances"][0]
    ec2.terminate_instances(InstanceIds=[found["InstanceId"]])
    return "done"


def cluster(name):
    """A cluster of ECS, with a family of the same name."""
    ecs.create_cluster(clusterName=name)
    container = {"name": "node", "image": "node", "memory": 64}
    ecs.register_task_definition(family=name, networkMode="awsvpc", containerDefinitions=[container])
    return "done"


def task(name):
    """Runs one; its address."""
    network = {"awsvpcConfiguration": {"subnets": [subnet], "securityGroups": []}}
    asked = {"cluster": name, "taskDefinition": name, "launchType": "FARGATE", "networkConfiguration": network}
    ran = ecs.run_task(**asked)["tasks"][0]
    details = {it["name"]: it["value"] for it in ran["attachments"][0]["details"]}
    tasks[details["privateIPv4Address"]] = (name, ran["taskArn"])
    return details["privateIPv4Address"]


def stop(address):
    """Ends the task at this address."""
    name, arn = tasks[address]
    ecs.stop_task(cluster=name, task=arn)
    return "done"


def user(actions):
    """One who may do these; the keys."""
    name = "user" + str(len(iam.list_users()["Users"]))
    iam.create_user(UserName=name)
    statement = '{"Effect": "Allow", "Action": %s, "Resource": "*"}' % str(actions.split(",")).replace("'", '"')
    policy = '{"Version": "2012-10-17", "Statement": [%s]}' % statement
    iam.put_user_policy(UserName=name, PolicyName="may", PolicyDocument=policy)
    keys = iam.create_access_key(UserName=name)["AccessKey"]
    return f"{keys['AccessKeyId']} {keys['SecretAccessKey']}"


def guard(_):
    """Checks signatures and policies from now on."""
    plain = {"content-type": "text/plain"}
    asked = urllib.request.Request(f"{url}/moto-api/reset-auth", data=b"0", headers=plain, method="POST")
    urllib.request.urlopen(asked).read()
    return "done"


tasks = {}
commands = [instance, terminate, cluster, task, stop, user, guard]
print(url, flush=True)
for line in sys.stdin:
    name, _, argument = line.strip().partition(" ")
    print({it.__name__: it for it in commands}[name](argument), flush=True)
